//! Repairs of a sale in the ledger.

use async_trait::async_trait;
use flashgate_domain::{BatchOutcome, LedgerState, Sale, SaleId, audit::LedgerStep};

use crate::{LedgerError, SaleStock};

/// Repairs a sale that the ledger has lost, or whose totals differ from the order store.
///
/// Called by an operator's commands alone. It changes when there is another way to repair.
#[async_trait]
pub trait Repairing: Send + Sync + 'static {
    /// Begins to rebuild a sale from the order store, in the generation of `sale`: paused, with nothing sold yet, and
    /// nothing returned. The sale must be paused or missing, in an older generation, and without open batches.
    async fn begin_rebuild(&self, sale: &Sale) -> Result<Rebuilding, LedgerError>;

    /// Restores the orders of a decided batch in a sale that is being rebuilt; a second call changes nothing. At least
    /// one order must be of the sale.
    ///
    /// The decisions are those of the present: an order that is cancelled for a reason that is not one of placing was
    /// confirmed, and gave its units up. They are deducted and returned, and their return is proven as by
    /// [`Returning::return_units`], also if an earlier call has restored the order as confirmed. The log entry, if it
    /// was lost, gets the decisions of the placing.
    ///
    /// [`Returning::return_units`]: crate::Returning::return_units
    async fn restore(
        &self,
        sale: SaleId,
        generation: u32,
        outcome: &BatchOutcome,
    ) -> Result<Restored, LedgerError>;

    /// Ends the rebuild: the sale sells again, if `available` units are left in it.
    async fn end_rebuild(
        &self,
        sale: SaleId,
        generation: u32,
        available: i64,
    ) -> Result<Rebuilt, LedgerError>;

    /// Applies a compensating step, if the sale still has the values that the step names. Ordinary traffic changes
    /// none of them, so a step that is repeated, or applied by two operators, happens once.
    ///
    /// `in_ledger` is corrected in `available` alone. Missing units of `across` are added to `returned`, surplus ones
    /// to `deducted`: totals only grow. Returned units increase the epoch. A step never brings `available` below zero,
    /// or further below: of a surplus that was sold meanwhile, it takes what is left, and units that the order store
    /// did not provide (`written_off`) are `reclaimed`.
    async fn compensate(&self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, LedgerError>;
}

/// The result of [`Repairing::begin_rebuild`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilding {
    /// The rebuild has begun.
    Begun,
    /// The sale is neither paused nor missing; nothing changed.
    NotStopped {
        /// Its state.
        state: LedgerState,
    },
    /// The ledger has this generation or a later one; nothing changed.
    OtherGeneration {
        /// The ledger's generation.
        generation: u32,
    },
    /// Some of its orders are deducted and not settled; nothing changed.
    Open {
        /// The number of those orders.
        orders: u64,
    },
}

/// The result of [`Repairing::restore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The orders are in the ledger, restored now or before.
    Done,
    /// The sale is not being rebuilt in that generation; nothing changed.
    Missing,
}

/// The result of [`Repairing::end_rebuild`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// The sale was paused and is active now, or it was not paused.
    Done {
        /// Its state after the call.
        state: LedgerState,
    },
    /// Another number of units is left; nothing changed.
    Differs {
        /// The units left.
        available: i64,
    },
    /// The number of buyers with units, or of keys, differs from the count; nothing changed.
    Incomplete,
    /// The sale is missing in the ledger.
    Missing,
    /// The sale exists in another generation; nothing changed.
    OtherGeneration {
        /// The ledger's generation.
        generation: u32,
    },
}

/// The result of a compensating step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compensated {
    /// The step was applied, as far as possible.
    Done {
        /// The stock of the sale after the call.
        stock: SaleStock,
        /// Surplus units that are sold to undecided orders: a later step takes them. If there was nothing else to do,
        /// nothing changed.
        deferred_units: u64,
    },
    /// The sale does not have the values that the step names; nothing changed.
    Conflict {
        /// The ledger's generation.
        generation: u32,
        /// The number of compensating steps.
        adjustments: u64,
        /// The difference of `available` from the totals.
        in_ledger: i64,
    },
    /// The sale is missing in the ledger.
    Missing,
}
