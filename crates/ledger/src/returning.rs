//! The return of units that a confirmed order gave up.

use async_trait::async_trait;
use flashgate_domain::{BatchId, Intent, OrderId};

use crate::{LedgerError, SaleStock};

/// Returns units of confirmed orders that were cancelled later.
///
/// Called by the consumer of order events. It changes when an order can give its units up in another way.
#[async_trait]
pub trait Returning: Send + Sync + 'static {
    /// Returns the units of a confirmed order to the sale, and its allowance to the buyer; a second call changes
    /// nothing. The key of the order keeps the proof as long as the sale is in the ledger, so the log entry of the
    /// batch may have expired. The key keeps replaying the order.
    ///
    /// Units that do not exist are written off instead: they do not go on sale again.
    ///
    /// In every state of the sale: a paused one gets its units back too.
    async fn return_units(&self, order: &CancelledOrder) -> Result<Returned, LedgerError>;
}

/// An order that was confirmed, and holds its units no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledOrder {
    /// The order.
    pub order: OrderId,
    /// Its batch.
    pub batch: BatchId,
    /// Its intent.
    pub intent: Intent,
    /// Whether the order store did not have its units, so that they are written off.
    pub is_written_off: bool,
}

/// The result of [`Returning::return_units`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// The units are back, and `returned` and `released` have grown; or `written_off` and `released`.
    Done(SaleStock),
    /// They were returned before; nothing changed.
    Already,
    /// The ledger has not settled the order, or does not have it: its outcome is still to come. Nothing changed; call
    /// again later.
    NotSettled,
    /// The sale is missing: it is over, or lost. Nothing changed.
    Missing,
}
