//! What each side tells about one sale.

use crate::{
    buyer::BuyerId,
    clock::Timestamp,
    id::{BatchId, SaleId},
    ledger::Totals,
    order::CancelReason,
    outcome::{BatchOutcome, Decision},
    sale::SaleState,
};

/// Orders, and the units that they ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many orders.
    pub orders: u64,
    /// How many units.
    pub units: u64,
}

impl Amount {
    /// Adds `orders` orders of `units` units in all.
    pub const fn add(&mut self, orders: u64, units: u64) {
        self.orders = self.orders.saturating_add(orders);
        self.units = self.units.saturating_add(units);
    }
}

/// Orders of one sale by what was decided when they came, whatever became of them later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Not decided yet: in the ledger alone.
    pub pending: Amount,
    /// Their units were taken in the order store.
    pub confirmed: Amount,
    /// Cancelled since the order store had too little: their units do not exist.
    pub written_off: Amount,
    /// Cancelled for another reason: their units went back.
    pub returned: Amount,
}

impl Sums {
    /// Adds orders about which `decision` was made; `None`: none yet.
    pub const fn add(&mut self, decision: Option<Decision>, orders: u64, units: u64) {
        let place = match decision {
            None => &mut self.pending,
            Some(Decision::Confirmed) => &mut self.confirmed,
            Some(Decision::Cancelled(CancelReason::OutOfStock)) => &mut self.written_off,
            Some(Decision::Cancelled(
                CancelReason::DuplicateKey
                | CancelReason::Timeout
                | CancelReason::ByBuyer
                | CancelReason::OutboundFailed,
            )) => &mut self.returned,
        };
        place.add(orders, units);
    }

    /// Those of `sale` in an outcome.
    pub fn of_outcome(outcome: &BatchOutcome, sale: SaleId) -> Self {
        let mut sums = Self::default();
        for order in outcome.orders.iter().filter(|order| order.intent.sale() == sale) {
            sums.add(Some(order.decision), 1, u64::from(order.intent.quantity().get()));
        }
        sums
    }

    /// All of them.
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
    /// How often it was built.
    pub generation: u32,
    /// Whether it was stopped.
    pub paused: bool,
    /// Moved by every change.
    pub sequence: u64,
    /// How many compensating steps there were.
    pub adjustments: u64,
    /// The totals.
    pub totals: Totals,
    /// Keys that have an order: each order but those that were cancelled for their key has its own. 0 where it is not
    /// told.
    pub keys: u64,
    /// Buyers that hold something.
    pub buyers: u64,
    /// How many buyers and keys were written; `None` where it is not told.
    pub written: Option<WrittenCounts>,
    /// The moment, by the ledger's clock.
    pub taken_at: Timestamp,
    /// The batches that hold units and are not settled, oldest first.
    pub open: Vec<Held>,
    /// The open batches of the shard whose log entry is gone, so that nobody knows what they hold.
    pub lost: Vec<LostEntry>,
}

/// How many fields a sale must have in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WrittenCounts {
    /// Buyers that hold something.
    pub buyers: u64,
    /// Keys that have an order.
    pub keys: u64,
}

/// A batch that is deducted and not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The batch.
    pub batch: BatchId,
    /// When it was deducted, by the ledger's clock.
    pub deducted_at: Timestamp,
    /// What it holds of the sale.
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
    /// How far the sale has come.
    pub state: SaleState,
    /// How often its ledger was built.
    pub generation: u32,
    /// Units at the start.
    pub initial: u64,
    /// Units added since.
    pub restocked: u64,
    /// Units given back by confirmed orders.
    pub returned: u64,
    /// Units left, as the sale's row says.
    pub saleable: u64,
    /// How many compensating steps there were.
    pub adjustments: u64,
    /// How many orders it has, counted by another way than they were summed up.
    pub counted: u64,
    /// All of its orders.
    pub orders: Sums,
    /// Of the batches that were asked for, those that are decided.
    pub decided: Vec<BatchSums>,
}

impl StoreSnapshot {
    /// Whether as many orders were summed up as there are. Books that are not whole say nothing: an order that is left
    /// out looks like units that nobody has.
    pub const fn is_whole(&self) -> bool {
        self.counted == self.orders.total().orders
    }
}

/// What a decided batch has of one sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSums {
    /// The batch.
    pub batch: BatchId,
    /// Its orders of the sale.
    pub sums: Sums,
}

/// A decided batch, in a list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecidedBatch {
    /// What it has of the sale; nothing if all of its orders are of other sales.
    pub of_sale: BatchSums,
    /// How many orders it brought, of any sale.
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
