//! An embedded RocketMQ: name server and broker, in their Rust implementation, on loopback.
//!
//! For the embedded mode and for tests without a Java machine. Clients use it through `flashgate-messaging`, over TCP,
//! like any other RocketMQ.
//!
//! Both servers have a runtime of their own, and this crate alone depends on their crates: their types are large, and
//! are compiled once, here, instead of in every user.

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
    config::EmbeddedBrokerConfig,
    fault::{Server, StartError},
};

/// Maximum attempts to choose free ports, if other processes take them in between.
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
    /// Starts both on the store below `folder`, which is created if it is missing. Returns when clients can find the
    /// broker.
    ///
    /// # Errors
    /// [`StartError`]; both servers are stopped then.
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
        // The host sends the result of the start before it ends.
        started.await.unwrap_or(Err(StartError::Panicked))?;
        Ok(Self { name_server: ports.name_server(), port: ports.broker, leave, ended })
    }

    /// The name server's address: the only one that clients need.
    pub const fn name_server(&self) -> SocketAddr {
        self.name_server
    }

    /// The broker's own port, on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Shuts down the broker, then the name server; returns when the store is closed.
    pub async fn shutdown(self) {
        self.leave.cancel();
        self.ended.cancelled().await;
    }

    /// Cancelled when the broker has ended, by a shutdown or by itself.
    pub const fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.leave.cancel();
    }
}
