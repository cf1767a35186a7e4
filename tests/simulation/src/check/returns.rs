//! Orders that gave their units up: one transition, one event, and their units back once on each side.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use flashgate_domain::{CancelReason, Order, OrderEvent, OrderState, SaleId, SaleState};

use super::books::Excuses;
use crate::{
    ledger::{KeyEntry, LedgerState},
    orders::{Answer, Asked, Caller, Wish},
    store::StoreState,
};

/// What holds at every moment. The ledger never returns what the order store has not, nor more than its keys prove.
pub(super) fn returns_are_right(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    let mut given_up: BTreeMap<SaleId, u64> = BTreeMap::new();
    for order in store.orders.values() {
        let events = store.events.get(&order.id).map_or([].as_slice(), Vec::as_slice);
        is_walked(order, events)?;
        for event in events.iter().filter(|event| event.returns_units()) {
            *given_up.entry(event.intent.sale()).or_default() += u64::from(event.intent.quantity().get());
        }
    }
    for (id, sale) in &store.sales {
        let units = given_up.get(id).copied().unwrap_or(0);
        ensure!(
            units == sale.returned,
            "sale {id}: orders gave up {units}, but {} are returned",
            sale.returned
        );
    }
    for (id, account) in &ledger.books.sales {
        let released = account.totals.released;
        let marked: u64 =
            account.keys.values().filter(|key| key.returned).map(|key| u64::from(key.units)).sum();
        ensure!(
            released <= marked || Excuses(&ledger.lost).sale(*id),
            "sale {id}: {released} units came back, but keys prove {marked}"
        );
        let due = store.sales.get(id).map_or(0, |sale| sale.returned);
        ensure!(released <= due, "sale {id}: {released} units came back, but orders gave up {due}");
    }
    Ok(())
}

/// An order is cancelled at most once, and stays so.
fn is_walked(order: &Order, events: &[OrderEvent]) -> anyhow::Result<()> {
    let cancelled =
        |reason: CancelReason| reason == CancelReason::ByBuyer || reason == CancelReason::ByOperator;
    let fits = match (events, order.state) {
        ([], OrderState::Cancelled(reason)) => reason.is_of_placing() && order.version == 1,
        ([], _) => order.version == 1,
        ([event], OrderState::Cancelled(reason)) => {
            let is_it = (event.from, event.to) == (OrderState::Confirmed, order.state);
            is_it && cancelled(reason) && (event.version, order.version) == (2, 2)
        }
        (_, _) => false,
    };
    ensure!(fits, "order {} is {:?}, version {}, after {events:?}", order.id, order.state, order.version);
    Ok(())
}

/// In a healed world, every event is published, and every unit that was given up is back, for the buyer too.
pub(super) fn returns_have_arrived(ledger: &LedgerState, store: &StoreState) -> anyhow::Result<()> {
    ensure!(store.unpublished.is_empty(), "events are not published: {:?}", store.unpublished);
    for (id, sale) in &store.sales {
        let Some(account) = ledger.books.sales.get(id) else { continue };
        // A closed sale is not rebuilt.
        if sale.state == SaleState::Closed && Excuses(&ledger.lost).sale(*id) {
            continue;
        }
        let released = account.totals.released;
        ensure!(released == sale.returned, "sale {id}: {} units given up, {released} back", sale.returned);
        for order in store.orders.values().filter(|order| order.intent.sale() == *id) {
            let value = KeyEntry::new(order.id, order.intent.quantity().get());
            let Some(key) = account.keys.get(&order.intent.key_digest()).filter(|key| key.is_of(value))
            else {
                continue;
            };
            let gave_up = order.version == 2;
            ensure!(
                key.returned == gave_up,
                "order {} is {:?}, and its key is {key:?}",
                order.id,
                order.state
            );
        }
    }
    Ok(())
}

/// Whatever was cancelled was asked for, and whatever was answered is so.
pub(super) fn requests_are_true(
    asked: &[Asked],
    ledger: &LedgerState,
    store: &StoreState,
) -> anyhow::Result<()> {
    for request in asked {
        let answer = request.answer.as_ref().with_context(|| format!("nobody answered {request:?}"))?;
        let state = store.orders.get(&request.order).map(|order| order.state);
        if request.wish == Wish::Cancel
            && let Answer::Order(answered, _version) = answer
        {
            ensure!(state == Some(*answered), "{request:?}: the order is {state:?}");
        }
        let not_found = *answer == Answer::Error(flashgate_service::error::ApiError::OrderNotFound);
        if request.caller == Caller::Buyer && not_found {
            let is_lost = Excuses(&ledger.lost).order(request.order);
            ensure!(is_lost, "{request:?}: the order was accepted");
        }
    }
    for order in store.orders.values() {
        let reason = order.state.reason();
        let caller = if reason == Some(CancelReason::ByBuyer) { Caller::Buyer } else { Caller::Operator };
        if reason.is_none_or(CancelReason::is_of_placing) {
            continue;
        }
        let is_asked_for = asked
            .iter()
            .any(|request| (request.order, request.caller, request.wish) == (order.id, caller, Wish::Cancel));
        ensure!(is_asked_for, "order {} was cancelled by nobody", order.id);
    }
    Ok(())
}
