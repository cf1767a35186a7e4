//! What the order store decided comes home: `settle.lua`.

use std::collections::BTreeSet;

use flashgate_domain::{BatchOutcome, Decision, Intent, OrderId, OrderOutcome, SaleId, Timestamp};
use flashgate_ledger::{LedgerEvent, LedgerState as State, Settled};

use super::{Account, BrokenOff, Entry, KeyEntry, LedgerState, Order, Script, Status, judge::stocks};

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
        self.light(if cancels { Script::Cancelling } else { Script::Any });
        let events = match self.write_settlement(outcome, &intents, known, now) {
            Ok(events) => events,
            Err(broken_off) => {
                self.lost.in_part.extend(intents.iter().map(Intent::sale));
                return Err(broken_off);
            }
        };
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
            // Without an entry, a key proves that its order was deducted and settled.
            let is_due = |order: &&OrderOutcome| known || !has_key(account, order);
            let of_sale = outcome.orders.iter().filter(|order| order.intent.sale() == sale);
            let due: Vec<&OrderOutcome> = of_sale.filter(is_due).collect();
            if !known {
                account.counted(|account| due.iter().for_each(|order| deduct_late(account, order)));
            }
            let returned =
                |account: &mut Account| due.iter().map(|order| decide(account, order, known)).sum::<u64>();
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

/// Whether the key is that of this very order, also after its units came back.
fn has_key(account: &Account, order: &OrderOutcome) -> bool {
    let value = KeyEntry::new(order.order, order.intent.quantity().get());
    account.keys.get(&order.intent.key_digest()).is_some_and(|known| known.is_of(value))
}

/// A confirmed order owns its key and counts for its buyer; a cancelled one leaves a key to the order that has it.
fn deduct_late(account: &mut Account, order: &OrderOutcome) {
    let (intent, units) = (&order.intent, order.intent.quantity().get());
    account.take(units);
    let value = KeyEntry::new(order.order, units);
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
        account.let_go(buyer, units);
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
