//! What the order store decided comes home: `settle.lua`.

use std::collections::{BTreeMap, BTreeSet};

use flashgate_domain::{BatchOutcome, Decision, Intent, OrderOutcome, SaleId, Timestamp};
use flashgate_ledger::{Note, Settled};

use super::{Account, Entry, LedgerState, Status, judge::standings};

impl LedgerState {
    pub(super) fn settle(&mut self, outcome: &BatchOutcome, now: Timestamp) -> Settled {
        let (id, base) = (outcome.batch, outcome.batch.base());
        let intents: Vec<Intent> = outcome.orders.iter().map(|order| order.intent.clone()).collect();
        let known = match self.books.log.get(&base) {
            Some(entry) if entry.id != id => return Settled::IdTaken,
            Some(Entry { status: Status::Fenced, .. }) => return Settled::Contradiction,
            Some(Entry { status: Status::Known { acknowledged: true, .. }, .. }) => return Settled::Already,
            Some(Entry { status: Status::Known { intents: same, .. }, .. }) if *same != intents => {
                return Settled::Contradiction;
            }
            Some(_) => true,
            None => false,
        };
        let books = self.write();
        let mut returned: BTreeMap<SaleId, u64> = BTreeMap::new();
        for order in &outcome.orders {
            let Some(account) = books.sales.get_mut(&order.intent.sale()) else { continue };
            if !known {
                deduct_late(account, order);
            }
            *returned.entry(order.intent.sale()).or_default() += decide(account, order, known);
        }
        let mut notes = Vec::new();
        let sales: BTreeSet<SaleId> = returned.keys().copied().collect();
        for sale in sales {
            let Some(account) = books.sales.get_mut(&sale) else { continue };
            let moved = returned.get(&sale).copied().unwrap_or(0) + balance(account);
            account.sequence += 1;
            if moved > 0 {
                account.epoch += 1;
                notes.push(Note::Returned(account.standing(sale)));
            }
        }
        let told = standings(books, &intents);
        let states = outcome.orders.iter().map(|order| order.decision.state()).collect();
        let at = books.log.get(&base).map_or(now, |entry| entry.at);
        let status = Status::Known { intents, states, acknowledged: true };
        books.log.insert(base, Entry { id, at, status, body: Vec::new() });
        notes.push(Note::Settled(id));
        self.publish(notes);
        if known { Settled::Applied(told) } else { Settled::AppliedLate(told) }
    }
}

/// A confirmed order owns its key and counts for its buyer; a cancelled one leaves a key to the order that has it.
fn deduct_late(account: &mut Account, order: &OrderOutcome) {
    let (intent, units) = (&order.intent, order.intent.quantity().get());
    account.take(units);
    let value = (order.order, units);
    match order.decision {
        Decision::Confirmed => {
            *account.held.entry(intent.buyer_digest()).or_default() += units;
            account.keys.insert(intent.key_digest(), value);
        }
        Decision::Cancelled(_) => {
            account.keys.entry(intent.key_digest()).or_insert(value);
        }
    }
}

/// How many units came back on sale.
fn decide(account: &mut Account, order: &OrderOutcome, known: bool) -> u64 {
    let Decision::Cancelled(reason) = order.decision else { return 0 };
    let (buyer, units) = (order.intent.buyer_digest(), order.intent.quantity().get());
    if known {
        let held = account.held.get(&buyer).copied().unwrap_or(0).saturating_sub(units);
        match held {
            0 => account.held.remove(&buyer),
            held => account.held.insert(buyer, held),
        };
    }
    if reason.returns_units() {
        account.give_back(units.into());
        return units.into();
    }
    account.totals.written_off += u64::from(units);
    0
}

/// Below zero, written-off units make up for a deduction that came late.
fn balance(account: &mut Account) -> u64 {
    let missing = u64::try_from(-account.totals.available).unwrap_or(0);
    let units = missing.min(account.totals.written_off - account.totals.reclaimed);
    account.totals.reclaimed += units;
    account.give_back(units);
    units
}
