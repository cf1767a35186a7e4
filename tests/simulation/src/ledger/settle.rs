//! What the order store decided comes home: `settle.lua`.

use std::collections::BTreeSet;

use flashgate_domain::{BatchOutcome, Decision, Intent, OrderId, OrderOutcome, SaleId, Timestamp};
use flashgate_ledger::{LedgerEvent, LedgerState as State, Settled};

use super::{Account, BrokenOff, Entry, LedgerState, Order, Status, judge::stocks};

impl LedgerState {
    /// The script.
    ///
    /// # Errors
    /// It was broken off.
    pub(super) fn settle(&mut self, outcome: &BatchOutcome, now: Timestamp) -> Result<Settled, BrokenOff> {
        let (id, base) = (outcome.batch, outcome.batch.base());
        let intents: Vec<Intent> = outcome.orders.iter().map(|order| order.intent.clone()).collect();
        let known = match self.books.log.get(&base) {
            Some(entry) if entry.id != id => return Ok(Settled::IdTaken),
            Some(Entry { settling: true, .. }) => {
                return Ok(self.stop_what_was_broken_off(base, &intents));
            }
            Some(Entry { status: Status::Fenced, .. }) => return Ok(Settled::Contradiction),
            Some(Entry { status: Status::Known { acknowledged: true, .. }, .. }) => {
                return Ok(Settled::Already);
            }
            Some(Entry { status: Status::Known { intents: same, .. }, .. }) if *same != intents => {
                return Ok(Settled::Contradiction);
            }
            Some(_) => true,
            None => false,
        };
        self.write();
        let cancels = outcome.orders.iter().any(|order| matches!(order.decision, Decision::Cancelled(_)));
        self.light(cancels);
        let events = self.write_settlement(outcome, &intents, known, now)?;
        let told = stocks(&self.books, &intents);
        self.publish(events);
        Ok(if known { Settled::Applied(told) } else { Settled::AppliedLate(told) })
    }

    /// The entry first; the batch is no longer open when all is written.
    fn write_settlement(
        &mut self,
        outcome: &BatchOutcome,
        intents: &[Intent],
        known: bool,
        now: Timestamp,
    ) -> Result<Vec<LedgerEvent>, BrokenOff> {
        let (id, base) = (outcome.batch, outcome.batch.base());
        let states = outcome.orders.iter().map(|order| order.decision.state()).collect();
        let at = self.books.log.get(&base).map_or(now, |entry| entry.at);
        let status = Status::Known { intents: intents.to_vec(), states, acknowledged: true };
        let entry = Entry { id, at, status, body: Vec::new(), settling: true, rebuilt: None };
        let acknowledged_last = self.fuse.order == Order::AcknowledgedLast;
        if !acknowledged_last {
            self.burn(id, intents)?;
            self.books.log.insert(base, entry.clone());
        }
        let mut events = Vec::new();
        let sales: BTreeSet<SaleId> = intents.iter().map(Intent::sale).collect();
        for sale in sales {
            self.burn(id, intents)?;
            let Some(account) = self.books.sales.get_mut(&sale) else { continue };
            if account.sells() && account.is_incomplete() {
                account.state = State::Paused;
            }
            let of_sale = || outcome.orders.iter().filter(|order| order.intent.sale() == sale);
            if !known {
                account.counted(|account| of_sale().for_each(|order| deduct_late(account, order)));
            }
            let returned =
                |account: &mut Account| of_sale().map(|order| decide(account, order, known)).sum::<u64>();
            let moved = account.counted(returned) + balance(account);
            account.sequence += 1;
            if moved > 0 {
                account.epoch += 1;
                events.push(LedgerEvent::Returned(account.stock(sale)));
            }
        }
        self.burn(id, intents)?;
        self.books.log.insert(base, Entry { settling: false, ..entry });
        events.push(LedgerEvent::Settled(id));
        Ok(events)
    }

    /// It was settled in part, nobody knows how far: its sales stop, and are rebuilt.
    fn stop_what_was_broken_off(&mut self, base: OrderId, intents: &[Intent]) -> Settled {
        let books = self.write();
        let sales: BTreeSet<SaleId> = intents.iter().map(Intent::sale).collect();
        let mut stopped = Vec::new();
        for sale in sales {
            if books.sales.get(&sale).is_some_and(Account::sells) {
                books.stop(sale, State::Paused);
                stopped.push(sale);
            }
        }
        if let Some(entry) = books.log.get_mut(&base) {
            (entry.settling, entry.body) = (false, Vec::new());
        }
        Settled::BrokenOff { stopped }
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
