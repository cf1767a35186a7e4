//! Orders that gave their units up: they are back once on each side.

use std::collections::BTreeMap;

use anyhow::ensure;
use flashgate_domain::{SaleId, SaleState};

use super::{books::Excuses, walk::is_walked};
use crate::{
    ledger::{KeyEntry, LedgerState},
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
            let gave_up = order.state.reason().is_some_and(|reason| !reason.is_of_placing());
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
