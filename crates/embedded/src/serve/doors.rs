//! The listener addresses of a deployment, bound before anything is started.

use std::io;

use flashgate_gateway::app::{BindError, Sockets};
use flashgate_order_worker::{config::PaymentConfig, payments::Parts};
use flashgate_output::exit::CliError;
use tokio::net::TcpListener;

use super::config::ServeConfig;

/// The bound sockets.
pub(crate) struct Doors {
    pub(crate) gateway: Sockets,
    pub(crate) operator: TcpListener,
    /// Payments, with the listener of callbacks, if they are on.
    pub(crate) payments: Option<Parts>,
}

impl Doors {
    /// Binds all of them.
    ///
    /// # Errors
    /// [`CliError::PortTaken`] with the flag or the key that sets another address; a key of payments that cannot be used.
    pub(crate) async fn open(config: &ServeConfig) -> Result<Self, CliError> {
        let gateway = Sockets::bind(&config.listen).map_err(|fault| taken(&fault))?;
        let address = config.operator.listen;
        let operator = TcpListener::bind(address).await;
        let operator = operator.map_err(|why| refused("--worker ADDRESS", &address.to_string(), &why))?;
        let payments = match &config.payment {
            Some(payment) => Some(open_payments(payment).await?),
            None => None,
        };
        Ok(Self { gateway, operator, payments })
    }
}

async fn open_payments(config: &PaymentConfig) -> Result<Parts, CliError> {
    let (key, address) = ("payment.listen of the configuration", config.listen);
    let callbacks = TcpListener::bind(address).await;
    let callbacks = callbacks.map_err(|why| refused(key, &address.to_string(), &why))?;
    Parts::new(config, callbacks).map_err(|wrong| CliError::Usage(wrong.to_string()))
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
