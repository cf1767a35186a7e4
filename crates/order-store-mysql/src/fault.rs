//! The meaning of MySQL's errors for the caller.

use std::time::Duration;

use flashgate_access::AccessError;
use flashgate_domain::named;
use flashgate_order_store::{StoreError, sql::columns::InvalidColumn};
use sqlx::mysql::MySqlDatabaseError;
use thiserror::Error;

/// `ER_DUP_ENTRY`.
const DUPLICATE_ENTRY: u16 = 1062;
/// `ER_LOCK_WAIT_TIMEOUT`.
const LOCK_WAIT_TIMEOUT: u16 = 1205;
/// `ER_LOCK_DEADLOCK`.
const DEADLOCK: u16 = 1213;

/// Errors of a server that accepts no writes: `ER_OPTION_PREVENTS_STATEMENT` (`read_only`, `super_read_only`),
/// `ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION`, `ER_READ_ONLY_MODE`, and `ER_RUN_HOOK_ERROR`, with which a member of a
/// group that is not its primary refuses a commit.
const READ_ONLY: [u16; 4] = [1290, 1792, 1836, 3100];

/// A failed transaction.
#[derive(Debug, Error)]
pub(crate) enum QueryError {
    /// A statement failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A row contains a value that this version does not write.
    #[error(transparent)]
    Corrupt(#[from] InvalidColumn),
    /// No connection: the server refused access, or its certificate was refused.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No connection within the timeout.
    #[error("{0}")]
    Unavailable(String),
    /// No answer within the timeout. The session is abandoned with work in progress.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl QueryError {
    /// How to handle the error, if a statement failed.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self {
            Self::Sql(error) => Some(Cause::of(error)),
            Self::Corrupt(_) | Self::Access(_) | Self::Unavailable(_) | Self::Late(_) => None,
        }
    }

    /// Whether the connection is unusable: it broke, or work is in progress on it.
    pub(crate) const fn leaves_the_connection(&self) -> bool {
        match self {
            Self::Sql(error) => {
                matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_))
            }
            Self::Access(_) | Self::Unavailable(_) | Self::Late(_) => true,
            Self::Corrupt(_) => false,
        }
    }
}

named! {
    /// How to handle the error of a statement.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Cause {
        /// A unique-key violation.
        Duplicate = "duplicate",
        /// InnoDB chose this transaction as the victim of a deadlock.
        Deadlock = "deadlock",
        /// Another transaction held a row for too long.
        LockWait = "lock_wait",
        /// The server is read-only: another one accepts writes.
        ReadOnly = "read_only",
        /// A value can never be stored: SQLSTATE class 22 or 23, or it cannot be encoded.
        Values = "values",
        /// Everything else. A missing table or a full disk is no reason to give up an order: the caller waits until an
        /// operator has fixed it.
        Unavailable = "unavailable",
    }
}

impl Cause {
    /// Classifies `error`.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::Encode(_)) {
            return Self::Values;
        }
        let Some(error) = error.as_database_error() else { return Self::Unavailable };
        match error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number) {
            Some(DUPLICATE_ENTRY) => return Self::Duplicate,
            Some(LOCK_WAIT_TIMEOUT) => return Self::LockWait,
            Some(DEADLOCK) => return Self::Deadlock,
            Some(number) if READ_ONLY.contains(&number) => return Self::ReadOnly,
            _ => {}
        }
        let state = error.code().unwrap_or_default();
        if state.starts_with("22") || state.starts_with("23") { Self::Values } else { Self::Unavailable }
    }
}

impl From<QueryError> for StoreError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Corrupt(impossible) => impossible.into(),
            QueryError::Access(_) | QueryError::Unavailable(_) | QueryError::Late(_) => {
                Self::Unavailable(error.to_string())
            }
            QueryError::Sql(error) => {
                let text = error.to_string();
                match Cause::of(&error) {
                    Cause::Duplicate | Cause::Deadlock | Cause::LockWait => Self::Contended(text),
                    Cause::Values => Self::Refused(text),
                    Cause::ReadOnly | Cause::Unavailable => Self::Unavailable(text),
                }
            }
        }
    }
}
