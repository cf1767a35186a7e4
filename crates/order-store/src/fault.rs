//! Why a call failed, and whether it may be repeated.

use flashgate_domain::SaleId;
use thiserror::Error;

/// A call on the order store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store cannot be reached, did not answer in time, or cannot work now (full disk, read-only, wrong
    /// schema). Whether the call happened is not known.
    #[error("the order store is not available: {0}")]
    Unavailable(String),
    /// Others held the rows for longer than all retries took. Nothing was done.
    #[error("the order store is contended: {0}")]
    Contended(String),
    /// Others hold the rows of these sales, and have for as long as a statement waits. Nothing was done.
    #[error("the rows of {} sales are held by others", sales.len())]
    Blocked {
        /// The sales, by ascending id.
        sales: Vec<SaleId>,
    },
    /// A value of the call cannot be stored, now or ever. Nothing was done.
    #[error("the order store refuses the values: {0}")]
    Refused(String),
    /// The store holds something that this version cannot have written.
    #[error("the order store holds an impossible {what}")]
    Corrupt {
        /// What is impossible.
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

    /// Whether the same call can succeed later, unchanged.
    pub const fn retry_safe(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Contended(_) | Self::Blocked { .. } => true,
            Self::Refused(_) | Self::Corrupt { .. } => false,
        }
    }
}
