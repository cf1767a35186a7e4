//! Why the worker stopped, and with which exit code.

use std::{io, net::SocketAddr, process::ExitCode};

use flashgate_messaging::{BusError, InvalidName};
use flashgate_order_store::server::{MigrationError, SchemaError};
use flashgate_output::OutputError;
use flashgate_service::{config::ConfigError, telemetry::TelemetryError};
use flashgate_supervision::{EXIT_CODE, TaskError};
use thiserror::Error;

/// Why the worker stopped.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The prefix makes a name that the broker refuses.
    #[error("invalid configuration: rocketmq.prefix: {0}")]
    Name(#[from] InvalidName),
    /// Logs or metrics could not be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The schema of the database differs from that of this version, or access to it is refused.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The broker refuses access, or its certificate was refused.
    #[error(transparent)]
    Broker(#[from] BusError),
    /// A migration failed.
    #[error(transparent)]
    Migrate(#[from] MigrationError),
    /// A signal came before the schema was migrated.
    #[error("migration interrupted; applied migrations stay; run it again")]
    MigrationInterrupted,
    /// A port cannot be opened.
    #[error("cannot bind {key} = {address}: {source}")]
    Listen {
        /// The key of the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The descriptors of the gRPC services cannot be read.
    #[error("cannot create the reflection service: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A background task failed, and the worker shut down in order.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// Signal handlers cannot be installed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Standard output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl WorkerError {
    /// 2 for the configuration, 3 for the schema, 4 for an interrupted migration, 5 for refused access, 70 for a failed
    /// background task, 1 for all other errors.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Name(_) | Self::Telemetry(TelemetryError::Filter(_)) => ExitCode::from(2),
            Self::Schema(SchemaError::Access(_)) | Self::Migrate(MigrationError::Access(_)) => {
                ExitCode::from(flashgate_access::EXIT_CODE)
            }
            Self::Schema(_) => ExitCode::from(3),
            Self::MigrationInterrupted => ExitCode::from(4),
            Self::Broker(_) => ExitCode::from(flashgate_access::EXIT_CODE),
            Self::Task(_) => ExitCode::from(EXIT_CODE),
            Self::Telemetry(TelemetryError::Logs(_) | TelemetryError::Metrics(_))
            | Self::Migrate(MigrationError::Failed(_))
            | Self::Listen { .. }
            | Self::Reflection(_)
            | Self::Io(_)
            | Self::Output(_) => ExitCode::FAILURE,
        }
    }
}
