//! The five numbers that must be zero.

use std::collections::HashMap;

use super::snapshot::{LedgerSnapshot, StoreSnapshot, Sums};
use crate::id::BatchId;

/// The differences of the snapshots of one sale, in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// In the ledger: `available` minus the value of its totals. Exact: a snapshot is one moment.
    pub in_ledger: i64,
    /// In the order store: `saleable` without what is reserved, minus the value of its orders. Exact: its snapshot is one transaction.
    pub in_store: i64,
    /// The value of the ledger's totals, minus that of the orders and the open batches. Below 0: units are missing in
    /// the ledger that no batch explains. Above: the store has sold units that the ledger still counts, **or** a
    /// batch was deducted after the ledger was read and applied before the store was. So if the ledger is read
    /// before the store, the true difference is never above the measured one.
    /// Returned units are left out, since an order's units return to the ledger some time after the order store.
    pub across: i64,
    /// Units that confirmed orders gave up: in the order store, minus in the ledger. Above 0: some have not returned to
    /// the ledger yet, or did so after it was read. Below 0: the ledger has returned units that the store has not.
    pub returns: i64,
    /// Units that operators added and that the ledger has not counted yet, or counted after it was read. They are left
    /// out of [`Gap::across`] as well. Units that the ledger alone counts are a part of it.
    pub restocks: u64,
}

impl Gap {
    /// The gap between snapshots that were read one after the other, the ledger's first. The store must have been
    /// queried for all open and lost batches of the ledger.
    pub fn between(ledger: &LedgerSnapshot, store: &StoreSnapshot) -> Self {
        let totals = &ledger.totals;
        let by_totals =
            sum([totals.initial, totals.restocked, totals.returned]) - i128::from(totals.deducted);
        let by_orders =
            sum([store.initial, store.restocked, store.returned]) - i128::from(store.orders.confirmed.units);
        let returns = i128::from(store.returned) - i128::from(totals.released);
        let restocks = store.restocked.saturating_sub(totals.restocked);
        // Units that were written off, and not reclaimed, left the ledger and were never in the store.
        let written_off = i128::from(totals.written_off) - i128::from(totals.reclaimed);
        let confirmed: HashMap<BatchId, u64> =
            store.decided.iter().map(|decided| (decided.batch, decided.sums.confirmed.units)).collect();
        // The units of an open batch have left the ledger; the store has given the confirmed part of them.
        let pending: i128 = ledger
            .open
            .iter()
            .map(|held| i128::from(held.amount.units) - i128::from(*confirmed.get(&held.id).unwrap_or(&0)))
            .sum();
        Self {
            in_ledger: narrow(i128::from(totals.available) - by_totals),
            in_store: narrow(i128::from(store.saleable) - i128::from(store.reserved) - by_orders),
            across: narrow(by_totals - by_orders + written_off + pending + returns + i128::from(restocks)),
            returns: narrow(returns),
            restocks,
        }
    }

    /// Whether all five are zero.
    pub const fn is_closed(&self) -> bool {
        let is_counted = self.returns == 0 && self.restocks == 0;
        self.in_ledger == 0 && self.in_store == 0 && self.across == 0 && is_counted
    }
}

/// The minimum number of orders that the order store has lost: the keys of the ledger, minus the orders of the store
/// and the undecided orders of the open batches. Orders only increase, so if the ledger was read before the store,
/// the true number is never below the result.
pub fn missing_orders(ledger: &LedgerSnapshot, store: &StoreSnapshot) -> u64 {
    let decided: HashMap<BatchId, Sums> =
        store.decided.iter().map(|decided| (decided.batch, decided.sums)).collect();
    let undecided = ledger.open.iter().map(|held| {
        let decided = decided.get(&held.id).map_or(0, |sums| sums.total().orders);
        held.amount.orders.saturating_sub(decided)
    });
    let known = undecided.fold(store.orders.total().orders, u64::saturating_add);
    ledger.keys.saturating_sub(known)
}

fn sum(units: [u64; 3]) -> i128 {
    units.into_iter().map(i128::from).sum()
}

fn narrow(units: i128) -> i64 {
    i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
}
