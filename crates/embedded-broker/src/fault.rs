//! Why the embedded broker did not start.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why the embedded broker did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The port that was asked for is not to be had.
    #[error("port {port} for the {server} cannot be had: {source}")]
    PortTaken {
        /// Which server.
        server: Server,
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The port was free a moment ago, and then it was not.
    #[error("somebody took a port of the {server} meanwhile: {reason}")]
    PortLost {
        /// Which server.
        server: Server,
        /// What it said.
        reason: String,
    },
    /// The folder of the store cannot be made or written to.
    #[error("{path} cannot be used: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A server refused to start.
    #[error("the {server} did not start: {reason}")]
    Refused {
        /// Which server.
        server: Server,
        /// What it said, with all that caused it.
        reason: String,
    },
    /// No free ports were found.
    #[error("no free ports: {0}")]
    NoFreePorts(io::Error),
    /// The operating system gave no thread or runtime.
    #[error("no runtime for the broker: {0}")]
    NoRuntime(String),
    /// The thread of the broker ended without a word: it panicked.
    #[error("the broker died during its start")]
    Died,
}

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Server {
    /// The name server.
    #[error("name server")]
    NameServer,
    /// The broker.
    #[error("broker")]
    Broker,
}
