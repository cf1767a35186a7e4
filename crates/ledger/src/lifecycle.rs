//! How a sale comes into the ledger, and leaves it.

use async_trait::async_trait;
use flashgate_domain::{Sale, SaleId};

use crate::LedgerError;

/// The life of a sale in the ledger: prepared, active, paused or closed, and at last swept away.
///
/// Called when the order store says that a sale begins or ends, and when an operator stops one. It changes when the states
/// of a sale do.
#[async_trait]
pub trait SaleLifecycle: Send + Sync + 'static {
    /// Puts the sale into the ledger, not yet sellable, unless it is there already.
    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerError>;

    /// Makes a prepared sale of that generation sellable. To be called only after the order store has
    /// registered the preheat. A sale that is missing stays missing.
    async fn activate(&self, sale: SaleId, generation: u32) -> Result<Activated, LedgerError>;

    /// Stops the sale until it is rebuilt: every intent gets [`IntentResult::Paused`], except replays.
    ///
    /// [`IntentResult::Paused`]: crate::IntentResult::Paused
    async fn pause(&self, sale: SaleId) -> Result<(), LedgerError>;

    /// Ends the sale: every intent gets [`IntentResult::Ended`], except replays. Its keys go when everything is
    /// settled and the retention is over.
    ///
    /// [`IntentResult::Ended`]: crate::IntentResult::Ended
    async fn close(&self, sale: SaleId) -> Result<(), LedgerError>;

    /// Frees the keys of some closed sales whose retention is over, and returns how many sales that were. To be called
    /// now and then.
    async fn sweep(&self) -> Result<u64, LedgerError>;
}

/// What [`SaleLifecycle::prepare`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// It was missing and is there now, not yet sellable.
    Created,
    /// It was there, of that generation, not yet sellable.
    Waiting {
        /// Its generation.
        generation: u32,
    },
    /// It was there and has been activated before (it may be paused or closed since).
    Active {
        /// Its generation.
        generation: u32,
    },
}

/// What [`SaleLifecycle::activate`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activated {
    /// It is sellable, now or already.
    Active,
    /// It was stopped before and stays so.
    Paused,
    /// It was closed before and stays so.
    Closed,
    /// It is not in the ledger.
    Missing,
    /// It is there in another generation, and was left as it is.
    OtherGeneration {
        /// The generation that is there.
        generation: u32,
    },
}
