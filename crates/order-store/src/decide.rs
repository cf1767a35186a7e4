//! The rule by which every order store confirms or cancels orders. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use flashgate_domain::{
    Batch, BatchOutcome, BuyerId, CancelReason, Decision, IdempotencyKey, Intent, OrderEvent, OrderId,
    OrderOutcome, OrderState, SaleId,
};

/// The identity of a purchase: a second order with the same one is a duplicate.
pub type Purchase = (SaleId, BuyerId, IdempotencyKey);

/// The purchase of `intent`.
pub fn purchase(intent: &Intent) -> Purchase {
    (intent.sale(), intent.buyer().clone(), intent.key().clone())
}

/// The outcome of a batch whose orders are all confirmed.
pub fn all_confirmed(batch: &Batch) -> BatchOutcome {
    outcome(batch, |_intent| Decision::Confirmed)
}

/// Decides order by order, in the order of `batches`, which must be ascending by id.
///
/// An order whose purchase is in `known` is a duplicate; an order with a larger quantity than `saleable` has left of
/// its sale is out of stock; every other order is confirmed and its units are deducted. A purchase is known from its
/// first order on, even if that order was out of stock: its key keeps replaying that order.
pub fn order_by_order(
    batches: &[&Batch],
    saleable: &mut BTreeMap<SaleId, u64>,
    known: &mut HashSet<Purchase>,
) -> Vec<BatchOutcome> {
    let mut decide = |intent: &Intent| {
        if !known.insert(purchase(intent)) {
            return Decision::Cancelled(CancelReason::DuplicateKey);
        }
        let units = u64::from(intent.quantity().get());
        let left = saleable.get_mut(&intent.sale()).and_then(|left| Some((left.checked_sub(units)?, left)));
        match left {
            Some((rest, left)) => {
                *left = rest;
                Decision::Confirmed
            }
            None => Decision::Cancelled(CancelReason::OutOfStock),
        }
    };
    batches.iter().map(|batch| outcome(batch, &mut decide)).collect()
}

fn outcome(batch: &Batch, mut decide: impl FnMut(&Intent) -> Decision) -> BatchOutcome {
    let orders = batch.orders().map(|(order, intent)| OrderOutcome {
        order,
        intent: intent.clone(),
        decision: decide(intent),
    });
    BatchOutcome { batch: batch.id(), orders: orders.collect() }
}

/// The units to take from each sale, by ascending sale id: the order in which every transaction locks them.
pub fn confirmed_units(outcomes: &[BatchOutcome]) -> BTreeMap<SaleId, u64> {
    let mut units = BTreeMap::new();
    let confirmed =
        outcomes.iter().flat_map(|batch| &batch.orders).filter(|order| order.decision == Decision::Confirmed);
    for order in confirmed {
        // Cannot overflow: a quantity is at most 10^6, and 10^13 orders do not fit into memory.
        *units.entry(order.intent.sale()).or_insert(0) += u64::from(order.intent.quantity().get());
    }
    units
}

/// The sales of each batch that have confirmed orders of it, with the id of its first order; ascending, each once.
pub fn confirmed_sales(outcomes: &[BatchOutcome]) -> BTreeSet<(OrderId, SaleId)> {
    let mut sales = BTreeSet::new();
    for outcome in outcomes {
        let confirmed = outcome.orders.iter().filter(|order| order.decision == Decision::Confirmed);
        sales.extend(confirmed.map(|order| (outcome.batch.base(), order.intent.sale())));
    }
    sales
}

/// The units that the orders of these events gave up, by sale, as [`confirmed_units`].
pub fn returned_units(events: &[OrderEvent]) -> BTreeMap<SaleId, u64> {
    let mut units = BTreeMap::new();
    for event in events.iter().filter(|event| event.returns_units()) {
        // Cannot overflow, as above.
        *units.entry(event.intent.sale()).or_insert(0) += u64::from(event.intent.quantity().get());
    }
    units
}

/// The decision made when the order was placed, whatever its state is now.
pub const fn first_decision(state: OrderState) -> Decision {
    present_decision(state).at_placing()
}

/// The decision that leaves an order as it is now: cancelled if it does not hold its units. For a rebuild.
pub const fn present_decision(state: OrderState) -> Decision {
    match state.reason() {
        Some(reason) => Decision::Cancelled(reason),
        None => Decision::Confirmed,
    }
}
