//! The errors of the order store, and whether a retry is safe.

use flashgate_domain::SaleId;
use thiserror::Error;

/// A call on the order store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store is down, did not answer in time, or cannot work now (full disk, read-only, wrong schema). Whether the
    /// call happened is unknown.
    #[error("the order store is unavailable: {0}")]
    Unavailable(String),
    /// Other transactions held the rows during all retries. Nothing was done.
    #[error("the order store is contended: {0}")]
    Contended(String),
    /// Other transactions hold the rows of these sales, for longer than a statement waits. Nothing was done.
    #[error("the rows of {} sales are locked", sales.len())]
    Blocked {
        /// The sales, by ascending id.
        sales: Vec<SaleId>,
    },
    /// A value of the call can never be stored. Nothing was done.
    #[error("the order store refused the values: {0}")]
    Refused(String),
    /// The store contains a value that this version cannot have written.
    #[error("the order store has an invalid {what}")]
    Corrupt {
        /// What is invalid.
        what: &'static str,
    },
}

impl StoreError {
    /// The stable name, for metrics and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "store_unavailable",
            Self::Contended(_) => "store_contended",
            Self::Blocked { .. } => "store_blocked",
            Self::Refused(_) => "store_refused",
            Self::Corrupt { .. } => "store_corrupt",
        }
    }

    /// Whether the same call can succeed later.
    pub const fn retry_safe(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Contended(_) | Self::Blocked { .. } => true,
            Self::Refused(_) | Self::Corrupt { .. } => false,
        }
    }
}
