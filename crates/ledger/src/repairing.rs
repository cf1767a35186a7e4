//! How a sale is put right.

use async_trait::async_trait;
use flashgate_domain::{BatchOutcome, LedgerState, Sale, SaleId, audit::LedgerStep};

use crate::{LedgerError, SaleStock};

/// Puts a sale right that the ledger has lost, or whose totals do not agree with the order store.
///
/// Called by an operator's commands alone. It changes when there is another way to repair.
#[async_trait]
pub trait Repairing: Send + Sync + 'static {
    /// Begins to build a sale anew, in the generation of `sale`, as the order store has it: stopped, with nothing sold
    /// yet. Only a sale that is paused or missing, in an older generation, and without open batches.
    async fn begin_rebuild(&self, sale: &Sale) -> Result<Rebuilding, LedgerError>;

    /// Puts the orders that a decided batch has of the sale into a ledger that is being rebuilt; a second time changes
    /// nothing. At least one order must be of the sale.
    async fn restore(
        &self,
        sale: SaleId,
        generation: u32,
        outcome: &BatchOutcome,
    ) -> Result<Restored, LedgerError>;

    /// Ends the rebuilding: the sale sells again, if `available` units are left in it.
    async fn end_rebuild(
        &self,
        sale: SaleId,
        generation: u32,
        available: i64,
    ) -> Result<Rebuilt, LedgerError>;

    /// Does a compensating step, if the sale still has what the step names. None of that is moved by ordinary traffic,
    /// so a step that is done twice, or at two desks, happens once.
    ///
    /// `in_ledger` is put right in `available` alone. What is missing `across` is booked as `returned`, what is too
    /// much as `deducted`: totals only grow. Units that come back move the epoch. A step never brings `available`
    /// below zero, or further below: of a surplus that was sold meanwhile, it takes what is left, and what the order
    /// store did not give (`written_off`) is `reclaimed`.
    async fn compensate(&self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, LedgerError>;
}

/// What [`Repairing::begin_rebuild`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilding {
    /// It is being rebuilt from now on.
    Begun,
    /// It is neither paused nor missing; nothing changed.
    NotStopped {
        /// How it stands.
        state: LedgerState,
    },
    /// The ledger has this generation or a later one; nothing changed.
    OtherGeneration {
        /// The generation that is there.
        generation: u32,
    },
    /// Some of its orders are deducted and not settled; nothing changed.
    Open {
        /// How many.
        orders: u64,
    },
}

/// What [`Repairing::restore`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// Its orders are in the ledger, now or before.
    Done,
    /// The sale is not being rebuilt in that generation; nothing changed.
    Missing,
}

/// What [`Repairing::end_rebuild`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// It was paused and is active now, or it was not paused.
    Done {
        /// How it stands now.
        state: LedgerState,
    },
    /// Another number of units is left; nothing changed.
    Differs {
        /// How many.
        available: i64,
    },
    /// What buyers hold, or the keys of orders, are not as many as were written; nothing changed.
    Incomplete,
    /// It is not in the ledger.
    Missing,
    /// It is there in another generation; nothing changed.
    OtherGeneration {
        /// The generation that is there.
        generation: u32,
    },
}

/// What became of a compensating step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compensated {
    /// It is done, as far as it goes.
    Done {
        /// Where the sale stands now.
        stock: SaleStock,
        /// Units that were too many, and are sold to orders that are not decided yet: a later step takes them. If
        /// there was nothing else to do, nothing changed.
        deferred_units: u64,
    },
    /// Something that the step names is not as it was seen; nothing changed.
    Conflict {
        /// The generation that is there.
        generation: u32,
        /// How many steps there were.
        adjustments: u64,
        /// What `available` is off from the totals.
        in_ledger: i64,
    },
    /// It is not in the ledger.
    Missing,
}
