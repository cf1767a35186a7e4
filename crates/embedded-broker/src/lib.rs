//! RocketMQ inside this process: name server and broker, in their Rust implementation, on loopback.
//!
//! For the embedded mode and for tests that want a broker without a Java machine. Whoever starts one talks to it
//! through `flashgate-messaging`, over TCP, as to any other RocketMQ.
//!
//! Both servers live on a runtime of their own, and this crate alone knows their crates: their types are large,
//! and are compiled once, here, instead of again in whatever uses them.

mod config;
mod fault;
mod host;
mod name_server;
mod ports;
mod settings;

use std::{net::SocketAddr, path::PathBuf};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use crate::{
    config::{EmbeddedBrokerConfig, Retention},
    fault::{Server, StartError},
};

/// How often free ports are chosen anew when somebody else took them in between.
const FREE_PORT_TRIES: usize = 5;

/// A running name server and broker.
///
/// Dropping it is like a crash: the store survives that, and the next start recovers it.
#[derive(Debug)]
pub struct EmbeddedBroker {
    name_server: SocketAddr,
    port: u16,
    leave: CancellationToken,
    ended: CancellationToken,
}

impl EmbeddedBroker {
    /// Starts both on the store below `folder`, which is made if it is not there. Returns when clients can find
    /// the broker.
    ///
    /// # Errors
    /// [`StartError`]; nothing of it runs any more then.
    pub async fn start(folder: PathBuf, config: &EmbeddedBrokerConfig) -> Result<Self, StartError> {
        let mut tries_left = FREE_PORT_TRIES;
        loop {
            let ports = ports::Ports::choose(config)?;
            match Self::start_on(folder.clone(), config, ports).await {
                Err(StartError::PortLost { .. }) if tries_left > 0 && ports.were_free => tries_left -= 1,
                started => return started,
            }
        }
    }

    async fn start_on(
        folder: PathBuf,
        config: &EmbeddedBrokerConfig,
        ports: ports::Ports,
    ) -> Result<Self, StartError> {
        let (leave, ended) = (CancellationToken::new(), CancellationToken::new());
        let (ready, started) = oneshot::channel();
        let plan = host::Plan { folder, config: config.clone(), ports, leave: leave.clone() };
        host::spawn(plan, ready, ended.clone().drop_guard())?;
        // The host says how the start went before it ends.
        started.await.unwrap_or(Err(StartError::Died))?;
        Ok(Self { name_server: ports.name_server(), port: ports.broker, leave, ended })
    }

    /// Where the name server listens: the one address that clients need.
    pub const fn name_server(&self) -> SocketAddr {
        self.name_server
    }

    /// The broker's own port, on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends the broker, then the name server; returns when the store is closed.
    pub async fn shutdown(self) {
        self.leave.cancel();
        self.ended.cancelled().await;
    }

    /// Cancelled when the broker has ended, told to or not.
    pub const fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.leave.cancel();
    }
}
