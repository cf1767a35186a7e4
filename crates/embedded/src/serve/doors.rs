//! The listener addresses of a deployment, bound before anything is started.

use std::io;

use flashgate_gateway::app::{BindError, Sockets};
use flashgate_output::exit::CliError;
use tokio::net::TcpListener;

use super::config::ServeConfig;

/// The bound sockets.
pub(crate) struct Doors {
    pub(crate) gateway: Sockets,
    pub(crate) operator: TcpListener,
}

impl Doors {
    /// Binds all of them.
    ///
    /// # Errors
    /// [`CliError::PortTaken`] with the flag that sets another address.
    pub(crate) async fn open(config: &ServeConfig) -> Result<Self, CliError> {
        let gateway = Sockets::bind(&config.listen).map_err(|fault| taken(&fault))?;
        let address = config.operator.listen;
        let operator = TcpListener::bind(address).await;
        let operator = operator.map_err(|why| refused("worker", &address.to_string(), &why))?;
        Ok(Self { gateway, operator })
    }
}

/// [`CliError::PortTaken`] with the flag that sets another address.
pub(super) fn taken(BindError { key, address, source }: &BindError) -> CliError {
    refused(if *key == "operator" { "gateway" } else { key }, &address.to_string(), source)
}

fn refused(flag: &str, address: &str, why: &io::Error) -> CliError {
    CliError::PortTaken(format!(
        "{address} cannot be had ({why}); --{flag} ADDRESS names another one, 0 any free port"
    ))
}
