//! Both sides of the books, side by side.

use std::collections::BTreeMap;

use flashgate_domain::{BatchId, BatchOutcome, Decision, Intent, OrderId, OrderState, SaleId};
use flashgate_order_store::decide::first_decision;

use crate::{
    ledger::{Books, Entry, Losses, Status},
    store::StoreState,
};

/// A batch as the ledger has it.
pub(super) struct Deducted<'a> {
    pub(super) intents: &'a [Intent],
    pub(super) states: &'a [OrderState],
    pub(super) acknowledged: bool,
}

/// The deducted batches of the ledger.
pub(super) fn deducted<'a>(books: &'a Books) -> BTreeMap<BatchId, Deducted<'a>> {
    let side = |entry: &'a Entry| match &entry.status {
        Status::Known { intents, states, acknowledged } => {
            Some((entry.id, Deducted { intents, states, acknowledged: *acknowledged }))
        }
        Status::Fenced => None,
    };
    books.log.values().filter_map(side).collect()
}

/// The decided batches of the order store.
pub(super) fn decided(store: &StoreState) -> BTreeMap<BatchId, &BatchOutcome> {
    store.decided.values().map(|outcome| (outcome.batch, outcome)).collect()
}

/// Units of `sale` in some intents.
pub(super) fn units<'a>(intents: impl IntoIterator<Item = &'a Intent>, sale: SaleId) -> u64 {
    let of_sale = intents.into_iter().filter(|intent| intent.sale() == sale);
    of_sale.map(|intent| u64::from(intent.quantity().get())).sum()
}

/// The units of `sale` that the order store ever confirmed.
pub(super) fn confirmed(store: &StoreState, sale: SaleId) -> u64 {
    let orders = store.orders.values().filter(|order| first_decision(order.state) == Decision::Confirmed);
    units(orders.map(|order| &order.intent), sale)
}

/// What failovers excuse.
pub(super) struct Excuses<'a>(pub(super) &'a Losses);

impl Excuses<'_> {
    pub(super) fn batch(&self, batch: BatchId) -> bool {
        self.0.batches.contains(&batch)
    }

    pub(super) fn order(&self, order: OrderId) -> bool {
        self.0.batches.iter().any(|batch| batch.base() == order.base())
    }

    /// Whether the sale may have too few units, and never too many.
    pub(super) fn is_only_short(&self, sale: SaleId) -> bool {
        self.0.broken_off.contains(&sale)
    }

    pub(super) fn sale(&self, sale: SaleId) -> bool {
        self.0.sales.contains(&sale)
    }
}
