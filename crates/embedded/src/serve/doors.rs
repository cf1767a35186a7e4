//! The addresses that a deployment answers on, taken before anything is started.

use std::io;

use flashgate_gateway::app::{BindFault, Sockets};
use flashgate_output::exit::Failed;
use tokio::net::TcpListener;

use super::config::ServeConfig;

/// Taken addresses.
pub(crate) struct Doors {
    pub(crate) gateway: Sockets,
    pub(crate) operator: TcpListener,
}

impl Doors {
    /// Takes all of them.
    ///
    /// # Errors
    /// [`Failed::PortTaken`] with the flag that names another one.
    pub(crate) async fn open(config: &ServeConfig) -> Result<Self, Failed> {
        let gateway = Sockets::bind(&config.listen).map_err(|fault| taken(&fault))?;
        let address = config.operator.listen;
        let operator = TcpListener::bind(address).await;
        let operator = operator.map_err(|why| refused("worker", &address.to_string(), &why))?;
        Ok(Self { gateway, operator })
    }
}

/// [`Failed::PortTaken`] with the flag that names another address.
pub(super) fn taken(BindFault { key, address, source }: &BindFault) -> Failed {
    refused(if *key == "operator" { "gateway" } else { key }, &address.to_string(), source)
}

fn refused(flag: &str, address: &str, why: &io::Error) -> Failed {
    Failed::PortTaken(format!(
        "{address} cannot be had ({why}); --{flag} ADDRESS names another one, 0 any free port"
    ))
}
