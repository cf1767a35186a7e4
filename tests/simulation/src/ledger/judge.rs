//! The judgement on intents, and the local transaction that follows from it: `judge.lua` and `deduct.lua`.

use std::collections::{BTreeMap, BTreeSet};

use flashgate_domain::{Batch, BuyerDigest, Intent, OrderState, SaleId, Shard, Timestamp};
use flashgate_ledger::{Answer, Deduction, LedgerState as State, Screening, Standing};

use super::{Account, Books, Entry, LedgerState, Progress, Status};

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
            answers: judge(&self.books, intents, now),
            standings: standings(&self.books, intents),
            open_orders: self.books.open_orders(shard),
        }
    }

    pub(super) fn deduct(&mut self, batch: &Batch, body: Vec<u8>, seen: &Seen, now: Timestamp) -> Deduction {
        let id = batch.id();
        match self.books.log.get(&id.base()) {
            Some(entry) if entry.id != id => return Deduction::IdTaken,
            Some(Entry { status: Status::Fenced, .. }) => return Deduction::Fenced,
            Some(Entry { status: Status::Known { .. }, .. }) => {
                return Deduction::Applied { standings: Vec::new() };
            }
            None => {}
        }
        let screening = self.screen(id.shard(), batch.intents(), seen, now);
        if screening.answers.iter().any(|answer| *answer != Answer::Pass) {
            return Deduction::Refused(screening);
        }
        let books = self.write();
        let mut touched = BTreeSet::new();
        for (order, intent) in batch.orders() {
            let (sale, units) = (intent.sale(), intent.quantity().get());
            let Some(account) = books.sales.get_mut(&sale) else { continue };
            account.take(units);
            *account.held.entry(intent.buyer_digest()).or_default() += units;
            account.keys.insert(intent.key_digest(), (order, units));
            account.sequence += u64::from(touched.insert(sale));
        }
        let (intents, states) = (batch.intents().to_vec(), vec![OrderState::Pending; batch.intents().len()]);
        let status = Status::Known { intents, states, acknowledged: false };
        books.log.insert(id.base(), Entry { id, at: now, status, body });
        Deduction::Applied { standings: standings(books, batch.intents()) }
    }

    fn stop_those_behind(&mut self, seen: &Seen) {
        for (sale, seen) in seen {
            let is_behind = |account: &Account| {
                matches!(account.state, State::Active | State::Prepared)
                    && (account.generation, account.sequence) < *seen
            };
            if self.books.sales.get(sale).is_some_and(is_behind) {
                self.write().stop(*sale, State::Paused);
            }
        }
    }
}

fn judge(books: &Books, intents: &[Intent], now: Timestamp) -> Vec<Answer> {
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
    fn judge(&mut self, books: &Books, intent: &Intent, now: Timestamp) -> Answer {
        let (sale, quantity) = (intent.sale(), intent.quantity().get());
        if !self.keys.insert((sale, intent.key_digest())) {
            return Answer::Repeated;
        }
        let Some(account) = books.sales.get(&sale) else { return Answer::Missing };
        match account.keys.get(&intent.key_digest()) {
            Some((order, same)) if *same == quantity => return Answer::Replay(*order),
            Some(_) => return Answer::KeyReused,
            None => {}
        }
        if let Some(answer) = refusal_of_all(account, now) {
            return answer;
        }
        let units = self.units.entry(sale).or_default();
        let holds = self.holds.entry((sale, intent.buyer_digest())).or_default();
        let held = account.held.get(&intent.buyer_digest()).copied().unwrap_or(0);
        if i64::from(quantity) > account.totals.available - *units {
            Answer::SoldOut
        } else if held + *holds + quantity > account.limit {
            Answer::OverLimit
        } else {
            *units += i64::from(quantity);
            *holds += quantity;
            Answer::Pass
        }
    }
}

fn refusal_of_all(account: &Account, now: Timestamp) -> Option<Answer> {
    let opens_at = account.window.opens_at();
    match account.state {
        State::Prepared => Some(Answer::NotReady),
        State::Paused => Some(Answer::Paused),
        State::Closed => Some(Answer::Ended),
        State::Active if now < opens_at => Some(Answer::NotOpen { opens_at }),
        State::Active if now >= account.window.closes_at() => Some(Answer::Ended),
        State::Active => None,
    }
}

/// One for each sale of the intents that is there.
pub(super) fn standings<'a>(books: &Books, intents: impl IntoIterator<Item = &'a Intent>) -> Vec<Standing> {
    let mut sales: Vec<SaleId> = Vec::new();
    for intent in intents {
        if !sales.contains(&intent.sale()) {
            sales.push(intent.sale());
        }
    }
    sales.iter().filter_map(|sale| Some(books.sales.get(sale)?.standing(*sale))).collect()
}
