//! Sums of orders from rows grouped by state, for every SQL store. No I/O.

use std::collections::BTreeMap;

use flashgate_domain::{
    BatchId, BatchOutcome, OrderId, OrderOutcome, Sale, SaleId,
    audit::{BatchSums, DecidedBatch, StoreSnapshot, Sums},
    id::BATCH_INTENTS_MAX,
};

use super::columns::{InvalidColumn, order_state};
use crate::decide::first_decision;

/// The orders of one state.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are named after the columns")]
pub struct StateRow<'a> {
    pub state: &'a str,
    pub cancel_reason: Option<&'a str>,
    pub orders: u64,
    pub units: u64,
}

impl StateRow<'_> {
    /// Adds the orders to the sum of their first decision.
    pub fn add_to(self, sums: &mut Sums) -> Result<(), InvalidColumn> {
        let state = order_state(self.state, self.cancel_reason)?;
        sums.add(Some(first_decision(state)), self.orders, self.units);
        Ok(())
    }
}

/// The start of the first page of outcomes: before the batch of the first order. Not limited by a time, since the clock
/// that made an id may have been wrong.
pub fn before(first_order: OrderId) -> u64 {
    first_order.base().get().saturating_sub(1)
}

/// The range of ids that the orders of a batch can have.
pub fn ids_of(batch: BatchId) -> (u64, u64) {
    let last = batch.order(BATCH_INTENTS_MAX - 1).unwrap_or(batch.base());
    (batch.base().get(), last.get())
}

/// The range of ids that the orders of a page of batches can have.
pub fn ids_of_page(page: &[(BatchId, u32)]) -> Option<(u64, u64)> {
    let first = page.iter().map(|(batch, _orders)| ids_of(*batch).0).min()?;
    let last = page.iter().map(|(batch, _orders)| ids_of(*batch).1).max()?;
    Some((first, last))
}

/// The number of `found` batches that fit a page, and the end of the page, unless there are no more.
pub fn one_page(found: &[(BatchId, u32)], asked: u32, orders_max: u32) -> (usize, Option<OrderId>) {
    let (mut taken, mut orders) = (0, 0_u32);
    for (_batch, count) in found {
        if taken > 0 && orders >= orders_max {
            break;
        }
        taken += 1;
        orders = orders.saturating_add(*count);
    }
    let is_all = taken == found.len() && u32::try_from(found.len()).is_ok_and(|length| length < asked);
    let last = found.get(taken.saturating_sub(1)).map(|(batch, _count)| batch.base());
    (taken, if is_all { None } else { last })
}

/// The outcome of a batch from its rows.
///
/// # Errors
/// There are not `count` orders.
pub fn outcome(batch: BatchId, orders: Vec<OrderOutcome>, count: u32) -> Result<BatchOutcome, InvalidColumn> {
    if u32::try_from(orders.len()) == Ok(count) {
        Ok(BatchOutcome { batch, orders })
    } else {
        Err(InvalidColumn("number of orders in a batch"))
    }
}

/// The outcomes of `batches` among `orders`, which are in ascending order of ids; without those that have no order of
/// `sale`.
pub fn outcomes(
    batches: &[(BatchId, u32)],
    orders: Vec<OrderOutcome>,
    sale: SaleId,
) -> Result<Vec<BatchOutcome>, InvalidColumn> {
    let mut by_batch: BTreeMap<OrderId, Vec<OrderOutcome>> = BTreeMap::new();
    for order in orders {
        by_batch.entry(order.order.base()).or_default().push(order);
    }
    let mut found = Vec::with_capacity(batches.len());
    for (batch, count) in batches {
        let batch = outcome(*batch, by_batch.remove(&batch.base()).unwrap_or_default(), *count)?;
        if batch.orders.iter().any(|order| order.intent.sale() == sale) {
            found.push(batch);
        }
    }
    Ok(found)
}

/// A page of batches with their sums, which are keyed by the id of the first order.
pub fn with_sums(page: Vec<(BatchId, u32)>, sums: &BTreeMap<OrderId, Sums>) -> Vec<DecidedBatch> {
    let decided = |(batch, orders): (BatchId, u32)| {
        let sums = sums.get(&batch.base()).copied().unwrap_or_default();
        DecidedBatch { of_sale: BatchSums { batch, sums }, orders }
    };
    page.into_iter().map(decided).collect()
}

/// The snapshot of a sale that has `counted` orders.
///
/// # Errors
/// The sums do not cover `counted` orders, so that they are of no use.
pub fn snapshot(
    sale: &Sale,
    adjustments: u64,
    counted: u64,
    orders: Sums,
    decided: Vec<BatchSums>,
) -> Result<StoreSnapshot, InvalidColumn> {
    let snapshot = StoreSnapshot {
        state: sale.state,
        generation: sale.generation,
        initial: sale.draft.stock(),
        restocked: sale.restocked,
        returned: sale.returned,
        saleable: sale.saleable,
        reserved: sale.reserved,
        adjustments,
        counted,
        orders,
        decided,
    };
    if snapshot.is_whole() { Ok(snapshot) } else { Err(InvalidColumn("number of orders of a sale")) }
}
