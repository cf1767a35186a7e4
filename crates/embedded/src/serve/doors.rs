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
    /// For callbacks of the payment provider, if payments are on.
    pub(crate) callbacks: Option<TcpListener>,
}

impl Doors {
    /// Binds all of them.
    ///
    /// # Errors
    /// [`CliError::PortTaken`] with the flag or the key that sets another address.
    pub(crate) async fn open(config: &ServeConfig) -> Result<Self, CliError> {
        let gateway = Sockets::bind(&config.listen).map_err(|fault| taken(&fault))?;
        let address = config.operator.listen;
        let operator = TcpListener::bind(address).await;
        let operator = operator.map_err(|why| refused("--worker ADDRESS", &address.to_string(), &why))?;
        let callbacks = match config.payment.as_ref().map(|payment| payment.listen) {
            Some(address) => {
                let callbacks = TcpListener::bind(address).await;
                let key = "payment.listen of the configuration";
                Some(callbacks.map_err(|why| refused(key, &address.to_string(), &why))?)
            }
            None => None,
        };
        Ok(Self { gateway, operator, callbacks })
    }
}

/// [`CliError::PortTaken`] with the flag that sets another address.
pub(super) fn taken(BindError { key, address, source }: &BindError) -> CliError {
    let flag = if *key == "operator" { "gateway" } else { key };
    refused(&format!("--{flag} ADDRESS"), &address.to_string(), source)
}

/// `setting` names another address.
fn refused(setting: &str, address: &str, why: &io::Error) -> CliError {
    CliError::PortTaken(format!(
        "{address} cannot be had ({why}); {setting} names another one, 0 any free port"
    ))
}
