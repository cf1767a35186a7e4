//! Who gets the units: the rule that every order store follows. No I/O.

use std::collections::{BTreeMap, HashSet};

use flashgate_domain::{
    Batch, BatchOutcome, BuyerId, CancelReason, Decision, IdempotencyKey, Intent, OrderOutcome, OrderState,
    SaleId,
};

/// The name of one purchase: two orders with the same one are the same wish.
pub type Purchase = (SaleId, BuyerId, IdempotencyKey);

/// The name of the purchase that `intent` asks for.
pub fn purchase(intent: &Intent) -> Purchase {
    (intent.sale(), intent.buyer().clone(), intent.key().clone())
}

/// The outcome of a batch whose orders all stand.
pub fn all_confirmed(batch: &Batch) -> BatchOutcome {
    outcome(batch, |_intent| Decision::Confirmed)
}

/// Decides order by order, in the order of `batches`, which must be that of their ids.
///
/// An order whose purchase is in `known` is a duplicate; one that asks for more than `saleable` has left of its
/// sale is out of stock; every other is confirmed and taken off. A purchase is known from its first order on,
/// also if that one was out of stock: the key keeps answering with it.
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

/// What was decided when the order came, whatever became of it later: only these two reasons are given then.
pub const fn first_decision(state: OrderState) -> Decision {
    match state.reason() {
        Some(reason @ (CancelReason::OutOfStock | CancelReason::DuplicateKey)) => Decision::Cancelled(reason),
        Some(CancelReason::Timeout | CancelReason::ByBuyer | CancelReason::OutboundFailed) | None => {
            Decision::Confirmed
        }
    }
}
