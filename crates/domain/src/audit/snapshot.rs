//! What each side reports about one sale.

use crate::{
    buyer::BuyerId,
    clock::Timestamp,
    id::{BatchId, SaleId},
    ledger::Totals,
    order::CancelReason,
    outcome::{BatchOutcome, Decision},
    sale::SaleState,
};

/// A number of orders, and their units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// The number of orders.
    pub orders: u64,
    /// The number of units.
    pub units: u64,
}

impl Amount {
    /// Adds `orders` orders of `units` units in total.
    pub const fn add(&mut self, orders: u64, units: u64) {
        self.orders = self.orders.saturating_add(orders);
        self.units = self.units.saturating_add(units);
    }
}

/// Orders of one sale by their first decision, whatever their state now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Not decided yet: in the ledger alone.
    pub pending: Amount,
    /// Their units were taken in the order store.
    pub confirmed: Amount,
    /// Cancelled because the order store had too few units: their units do not exist.
    pub written_off: Amount,
    /// Cancelled for another reason: their units were returned.
    pub returned: Amount,
}

impl Sums {
    /// Adds orders with `decision`; `None`: not decided yet.
    pub const fn add(&mut self, decision: Option<Decision>, orders: u64, units: u64) {
        let place = match decision {
            None => &mut self.pending,
            Some(Decision::Confirmed) => &mut self.confirmed,
            Some(Decision::Cancelled(CancelReason::OutOfStock)) => &mut self.written_off,
            Some(Decision::Cancelled(
                CancelReason::DuplicateKey
                | CancelReason::Timeout
                | CancelReason::ByBuyer
                | CancelReason::ByOperator
                | CancelReason::OutboundFailed
                | CancelReason::PaymentReversed,
            )) => &mut self.returned,
        };
        place.add(orders, units);
    }

    /// The orders of `sale` in an outcome.
    pub fn of_outcome(outcome: &BatchOutcome, sale: SaleId) -> Self {
        let mut sums = Self::default();
        for order in outcome.orders.iter().filter(|order| order.intent.sale() == sale) {
            sums.add(Some(order.decision), 1, u64::from(order.intent.quantity().get()));
        }
        sums
    }

    /// The total of all orders.
    pub const fn total(&self) -> Amount {
        let mut total = self.pending;
        total.add(self.confirmed.orders, self.confirmed.units);
        total.add(self.written_off.orders, self.written_off.units);
        total.add(self.returned.orders, self.returned.units);
        total
    }
}

/// A sale in the ledger at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerSnapshot {
    /// Number of builds of the ledger for this sale.
    pub generation: u32,
    /// Increases with every change.
    pub sequence: u64,
    /// Number of compensating steps so far.
    pub adjustments: u64,
    /// The totals.
    pub totals: Totals,
    /// Keys that have an order: each order, except those cancelled for their key, has its own. 0 if not reported.
    pub keys: u64,
    /// Buyers that hold units.
    pub buyers: u64,
    /// The written numbers of buyers and keys; `None` if not reported.
    pub written: Option<WrittenCounts>,
    /// The moment of the snapshot, by the ledger's clock.
    pub taken_at: Timestamp,
    /// The batches that hold units and are not settled, oldest first.
    pub open: Vec<OpenBatch>,
    /// The open batches of the shard whose log entry was lost, so that their holdings are unknown.
    pub lost: Vec<LostEntry>,
}

/// The numbers of buyers and keys that a sale must have in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WrittenCounts {
    /// Buyers that hold units.
    pub buyers: u64,
    /// Keys that have an order.
    pub keys: u64,
}

/// A batch that is deducted and not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBatch {
    /// The batch.
    pub id: BatchId,
    /// When it was deducted, by the ledger's clock.
    pub deducted_at: Timestamp,
    /// Its orders of the sale.
    pub amount: Amount,
}

/// An open batch without a log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostEntry {
    /// The batch.
    pub batch: BatchId,
    /// When it was deducted, by the ledger's clock.
    pub deducted_at: Timestamp,
}

/// A sale in the order store at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSnapshot {
    /// The state of the sale.
    pub state: SaleState,
    /// Number of builds of its ledger.
    pub generation: u32,
    /// Units at the start.
    pub initial: u64,
    /// Units added since.
    pub restocked: u64,
    /// Units returned by cancelled orders that had been confirmed.
    pub returned: u64,
    /// Units left, from the sale's row.
    pub saleable: u64,
    /// The part of them that orders have, from the sale's row.
    pub reserved: u64,
    /// Number of compensating steps so far.
    pub adjustments: u64,
    /// Number of its orders, counted independently of the sums.
    pub counted: u64,
    /// The sums of all its orders.
    pub orders: Sums,
    /// The decided batches among those that were asked for.
    pub decided: Vec<BatchSums>,
}

impl StoreSnapshot {
    /// Whether the sums cover every counted order. An incomplete snapshot proves nothing: a left-out order looks like
    /// missing units.
    pub const fn is_whole(&self) -> bool {
        self.counted == self.orders.total().orders
    }
}

/// A decided batch's part of one sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSums {
    /// The batch.
    pub batch: BatchId,
    /// Its orders of the sale.
    pub sums: Sums,
}

/// A decided batch, in a list of all batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecidedBatch {
    /// Its part of the sale; empty if all of its orders are of other sales.
    pub of_sale: BatchSums,
    /// Number of its orders, of any sale.
    pub orders: u32,
}

/// A buyer of one sale, as the order store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuyerUnits {
    /// The buyer.
    pub buyer: BuyerId,
    /// The units of its orders that are not cancelled: what counts against its limit.
    pub units: u64,
}
