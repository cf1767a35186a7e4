//! Errors at the start of the embedded broker.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why the embedded broker did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The requested port is not available.
    #[error("cannot bind port {port} for the {server}: {source}")]
    PortTaken {
        /// The server.
        server: Server,
        /// The port.
        port: u16,
        /// The cause.
        source: io::Error,
    },
    /// A free port was taken by another process before the server could use it.
    #[error("another process took a port of the {server}: {reason}")]
    PortLost {
        /// The server.
        server: Server,
        /// The server's error.
        reason: String,
    },
    /// The folder of the store cannot be created or written.
    #[error("cannot use {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A server failed to start.
    #[error("the {server} failed to start: {reason}")]
    Refused {
        /// The server.
        server: Server,
        /// The server's error, with its causes.
        reason: String,
    },
    /// No free ports were found.
    #[error("cannot find free ports: {0}")]
    NoFreePorts(io::Error),
    /// The operating system provided no thread or runtime.
    #[error("cannot start the broker's runtime: {0}")]
    NoRuntime(String),
    /// The broker's thread panicked.
    #[error("the broker failed at startup")]
    Panicked,
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
