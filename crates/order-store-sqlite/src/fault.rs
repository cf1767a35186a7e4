//! The meaning of SQLite's errors for the caller of the store.

use flashgate_order_store::{StoreError, sql::columns::InvalidColumn};
use rusqlite::{Error, ErrorCode};
use thiserror::Error as ThisError;

/// A failed transaction.
#[derive(Debug, ThisError)]
pub(crate) enum QueryError {
    /// A statement failed.
    #[error(transparent)]
    Sql(#[from] Error),
    /// A row contains a value that this version does not write.
    #[error(transparent)]
    Corrupt(#[from] InvalidColumn),
}

impl QueryError {
    /// Whether it is a unique-key violation.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation))
    }
}

/// A full disk, a damaged file, an unreadable file: no reason to give up an order. The caller waits until space is
/// free, or until an operator has fixed it. Only values that cannot be stored are refused.
impl From<QueryError> for StoreError {
    fn from(error: QueryError) -> Self {
        let error = match error {
            QueryError::Corrupt(impossible) => return impossible.into(),
            QueryError::Sql(error) => error,
        };
        if is_impossible_column(&error) {
            return InvalidColumn("type of a column").into();
        }
        let is_refused = match error.sqlite_error_code() {
            Some(code) => {
                matches!(code, ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
            }
            None => matches!(error, Error::ToSqlConversionFailure(_)),
        };
        if is_refused { Self::Refused(error.to_string()) } else { Self::Unavailable(error.to_string()) }
    }
}

const fn is_impossible_column(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}
