//! The end of a command: its error and its exit code.

use std::process::ExitCode;

use flashgate_supervision::{EXIT_CODE, TaskError};
use thiserror::Error;

use crate::OutputError;

/// Why a command failed.
#[derive(Debug, Error)]
#[error("{0}")]
pub enum CliError {
    /// A background task failed, and the process shut down in order. Exit code 70.
    Task(String),
    /// Any other failure. Exit code 1.
    Other(String),
    /// The command line, or a field of the request, is invalid. Exit code 2, as clap's own.
    Usage(String),
    /// The sale or order does not exist. Exit code 3.
    NotFound(String),
    /// The server refused: its rules, or the current state, forbid it. Exit code 4.
    Refused(String),
    /// The server cannot be reached, or cannot answer now. Exit code 5.
    Unavailable(String),
    /// Ctrl-C or SIGTERM ended the command early. Exit code 130, as in shells.
    Interrupted(String),
    /// A listener address of `serve` cannot be bound. Exit code 6.
    PortTaken(String),
    /// Another process uses the data folder. Exit code 7.
    FolderInUse(String),
    /// The data folder cannot be created or written. Exit code 8.
    NotWritable(String),
    /// The disk is full. Exit code 9.
    DiskFull(String),
    /// A file in the data folder is damaged, or is not flashgate's. Nothing was changed. Exit code 10.
    Damaged(String),
    /// A later version has written the data. Nothing was changed. Exit code 11.
    Newer(String),
    /// The stores differ from what the demo's buyers were promised. Exit code 12.
    NotProved(String),
    /// The audit found that the ledger and the order store differ. Exit code 13.
    Differs(String),
    /// The audit found batches that are open for too long, and nothing worse. Exit code 14.
    ToRedrive(String),
}

impl CliError {
    /// A usage error: the flag `flag` must be as `expected` describes.
    pub fn flag(flag: &str, expected: impl std::fmt::Display) -> Self {
        Self::Usage(format!("{flag} {expected}"))
    }

    /// Any other failure, with its cause.
    pub fn other(why: impl std::fmt::Display) -> Self {
        Self::Other(why.to_string())
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Refused(_) => 4,
            Self::Unavailable(_) => 5,
            Self::PortTaken(_) => 6,
            Self::FolderInUse(_) => 7,
            Self::NotWritable(_) => 8,
            Self::DiskFull(_) => 9,
            Self::Damaged(_) => 10,
            Self::Newer(_) => 11,
            Self::NotProved(_) => 12,
            Self::Differs(_) => 13,
            Self::ToRedrive(_) => 14,
            Self::Task(_) => EXIT_CODE,
            Self::Interrupted(_) => 130,
        })
    }
}

impl From<TaskError> for CliError {
    fn from(why: TaskError) -> Self {
        Self::Task(why.to_string())
    }
}

impl From<OutputError> for CliError {
    fn from(why: OutputError) -> Self {
        Self::other(why)
    }
}
