//! The lifecycle of a sale in the ledger.

use async_trait::async_trait;
use flashgate_domain::{Sale, SaleId};

use crate::{LedgerError, SaleStock};

/// The states of a sale in the ledger: prepared, active, paused or closed, and finally removed.
///
/// Called when a sale begins or ends in the order store, and when an operator pauses it. It changes when the states of
/// a sale do.
#[async_trait]
pub trait SaleLifecycle: Send + Sync + 'static {
    /// Adds the sale to the ledger, not yet sellable, unless it exists already.
    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerError>;

    /// Makes a prepared sale of that generation sellable. Call it only after the order store has confirmed the
    /// preheat. A missing sale stays missing.
    async fn activate(&self, sale: SaleId, generation: u32) -> Result<Activated, LedgerError>;

    /// Brings the units that were restocked up to those of the order store: those that the ledger has not counted yet are
    /// on sale. In every state of the sale. The total is a level, so a second call, and one with an older total, change
    /// nothing, whichever gateway makes it.
    async fn restock(&self, sale: &Sale) -> Result<Restocked, LedgerError>;

    /// Pauses the sale until it is rebuilt: every intent gets [`IntentResult::Paused`], except replays.
    ///
    /// [`IntentResult::Paused`]: crate::IntentResult::Paused
    async fn pause(&self, sale: SaleId) -> Result<(), LedgerError>;

    /// Closes the sale: every intent gets [`IntentResult::Ended`], except replays. Its keys are freed when everything
    /// is settled and the retention is over.
    ///
    /// [`IntentResult::Ended`]: crate::IntentResult::Ended
    async fn close(&self, sale: SaleId) -> Result<(), LedgerError>;

    /// Frees the keys of some closed sales whose retention is over, and returns the number of those sales. Call it
    /// regularly.
    async fn sweep(&self) -> Result<u64, LedgerError>;
}

/// The result of [`SaleLifecycle::prepare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// The sale was missing and was added, not yet sellable.
    Created,
    /// The sale exists in this generation, not yet sellable.
    Waiting {
        /// Its generation.
        generation: u32,
    },
    /// The sale exists and was activated before (it may be paused or closed since).
    Active {
        /// Its generation.
        generation: u32,
    },
}

/// The result of [`SaleLifecycle::activate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activated {
    /// It is sellable, now or already.
    Active,
    /// It was paused before and stays so.
    Paused,
    /// It was closed before and stays so.
    Closed,
    /// It is missing in the ledger.
    Missing,
    /// It exists in another generation, and is unchanged.
    OtherGeneration {
        /// The ledger's generation.
        generation: u32,
    },
}

/// The result of [`SaleLifecycle::restock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restocked {
    /// The units are on sale, and `restocked` has grown.
    Done(SaleStock),
    /// The ledger has counted as many, or more; nothing changed.
    Already,
    /// The sale is missing; nothing changed.
    Missing,
    /// It exists in another generation, and is unchanged.
    OtherGeneration {
        /// The ledger's generation.
        generation: u32,
    },
}
