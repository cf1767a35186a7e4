//! The judgement on intents, and the local transaction that follows from it: `judge.lua` and `deduct.lua`.

use std::collections::{BTreeMap, BTreeSet};

use flashgate_domain::{Batch, BuyerDigest, Intent, OrderState, SaleId, Shard, Timestamp};
use flashgate_ledger::{Deduction, IntentResult, LedgerState as State, SaleStock, Screening};

use super::{Account, Books, BrokenOff, Entry, KeyEntry, LedgerState, Order, Progress, Script, Status};

/// What a caller has seen of the sales that it asks for.
pub(super) type Seen = BTreeMap<SaleId, Progress>;

impl LedgerState {
    /// Judges; a sale that is behind what the caller has seen is paused first.
    pub(super) fn screen(
        &mut self,
        shard: Shard,
        intents: &[Intent],
        seen: &Seen,
        now: Timestamp,
    ) -> Screening {
        self.stop_those_behind(seen);
        Screening {
            results: judge(&self.books, intents, now),
            stocks: stocks(&self.books, intents),
            open_orders: self.books.open_orders(shard),
        }
    }

    /// The script: refuses, or writes everything.
    ///
    /// # Errors
    /// It was broken off.
    pub(super) fn deduct(
        &mut self,
        batch: &Batch,
        body: Vec<u8>,
        seen: &Seen,
        now: Timestamp,
    ) -> Result<Deduction, BrokenOff> {
        let id = batch.id();
        match self.books.log.get(&id.base()) {
            Some(entry) if entry.id != id => return Ok(Deduction::IdTaken),
            Some(Entry { status: Status::Fenced, .. }) => return Ok(Deduction::Fenced),
            Some(Entry { status: Status::Known { .. }, .. }) => {
                return Ok(Deduction::Applied { stocks: Vec::new() });
            }
            None => {}
        }
        let screening = self.screen(id.shard(), batch.intents(), seen, now);
        if screening.results.iter().any(|answer| *answer != IntentResult::Pass) {
            return Ok(Deduction::Refused(screening));
        }
        self.write();
        self.light(Script::Any);
        self.write_deduction(batch, body, now)?;
        Ok(Deduction::Applied { stocks: stocks(&self.books, batch.intents()) })
    }

    /// The units and the counts first, then what buyers hold, the entry, and the keys.
    fn write_deduction(&mut self, batch: &Batch, body: Vec<u8>, now: Timestamp) -> Result<(), BrokenOff> {
        let (id, intents) = (batch.id(), batch.intents());
        let states = vec![OrderState::Pending; intents.len()];
        let status = Status::Known { intents: intents.to_vec(), states, acknowledged: false };
        let entry = Entry { id, at: now, status, body, settling: false, rebuilt: None };
        let entry_first = self.fuse.order == Order::EntryFirst;
        if entry_first {
            self.burn(id, intents)?;
            self.books.log.insert(id.base(), entry.clone());
        }
        let sales: BTreeSet<SaleId> = intents.iter().map(Intent::sale).collect();
        for sale in &sales {
            self.burn(id, intents)?;
            let Some(account) = self.books.sales.get_mut(sale) else { continue };
            let mut buyers = BTreeSet::new();
            for intent in intents.iter().filter(|intent| intent.sale() == *sale) {
                account.take(intent.quantity().get());
                account.written.keys += 1;
                let buyer = intent.buyer_digest();
                let is_new = buyers.insert(buyer) && !account.held.contains_key(&buyer);
                account.written.buyers += u64::from(is_new);
            }
            account.sequence += 1;
        }
        for sale in &sales {
            self.burn(id, intents)?;
            let Some(account) = self.books.sales.get_mut(sale) else { continue };
            for intent in intents.iter().filter(|intent| intent.sale() == *sale) {
                *account.held.entry(intent.buyer_digest()).or_default() += intent.quantity().get();
            }
        }
        if !entry_first {
            self.burn(id, intents)?;
            self.books.log.insert(id.base(), entry);
        }
        for sale in &sales {
            self.burn(id, intents)?;
            let Some(account) = self.books.sales.get_mut(sale) else { continue };
            for (order, intent) in batch.orders().filter(|(_order, intent)| intent.sale() == *sale) {
                let entry = KeyEntry::new(order, intent.quantity().get());
                account.keys.insert(intent.key_digest(), entry);
            }
        }
        Ok(())
    }

    /// Also those of which a part is missing.
    fn stop_those_behind(&mut self, seen: &Seen) {
        for (sale, seen) in seen {
            let is_behind = |account: &Account| {
                account.sells() && ((account.generation, account.sequence) < *seen || account.is_incomplete())
            };
            if self.books.sales.get(sale).is_some_and(is_behind) {
                self.write().stop(*sale, State::Paused);
            }
        }
    }
}

fn judge(books: &Books, intents: &[Intent], now: Timestamp) -> Vec<IntentResult> {
    let mut call = Call::default();
    intents.iter().map(|intent| call.judge(books, intent, now)).collect()
}

/// What the earlier intents of a call take.
#[derive(Default)]
struct Call {
    keys: BTreeSet<(SaleId, flashgate_domain::KeyDigest)>,
    units: BTreeMap<SaleId, i64>,
    holds: BTreeMap<(SaleId, BuyerDigest), u32>,
}

impl Call {
    fn judge(&mut self, books: &Books, intent: &Intent, now: Timestamp) -> IntentResult {
        let (sale, quantity) = (intent.sale(), intent.quantity().get());
        if !self.keys.insert((sale, intent.key_digest())) {
            return IntentResult::Repeated;
        }
        let Some(account) = books.sales.get(&sale) else { return IntentResult::Missing };
        match account.keys.get(&intent.key_digest()) {
            Some(known) if known.units == quantity => return IntentResult::Replay(known.order),
            Some(_) => return IntentResult::KeyReused,
            None => {}
        }
        if let Some(answer) = refusal_of_all(account, now) {
            return answer;
        }
        let units = self.units.entry(sale).or_default();
        let holds = self.holds.entry((sale, intent.buyer_digest())).or_default();
        let held = account.held.get(&intent.buyer_digest()).copied().unwrap_or(0);
        if i64::from(quantity) > account.totals.available - *units {
            IntentResult::SoldOut
        } else if held + *holds + quantity > account.limit {
            IntentResult::OverLimit
        } else {
            *units += i64::from(quantity);
            *holds += quantity;
            IntentResult::Pass
        }
    }
}

fn refusal_of_all(account: &Account, now: Timestamp) -> Option<IntentResult> {
    let opens_at = account.window.opens_at();
    match account.state {
        State::Prepared => Some(IntentResult::NotReady),
        State::Paused => Some(IntentResult::Paused),
        State::Closed => Some(IntentResult::Ended),
        State::Active if now < opens_at => Some(IntentResult::NotOpen { opens_at }),
        State::Active if now >= account.window.closes_at() => Some(IntentResult::Ended),
        State::Active => None,
    }
}

/// One for each sale of the intents that is there.
pub(super) fn stocks<'a>(books: &Books, intents: impl IntoIterator<Item = &'a Intent>) -> Vec<SaleStock> {
    let mut sales: Vec<SaleId> = Vec::new();
    for intent in intents {
        if !sales.contains(&intent.sale()) {
            sales.push(intent.sale());
        }
    }
    sales.iter().filter_map(|sale| Some(books.sales.get(sale)?.stock(*sale))).collect()
}
