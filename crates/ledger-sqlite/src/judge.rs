//! The judgement on intents, the same for a screening and a deduction. The order of the checks is that of
//! [`Answer`]; an intent that does not pass takes nothing from those after it.

use std::collections::HashSet;

use flashgate_domain::{KeyDigest, SaleId, Timestamp};
use flashgate_ledger::{Answer, LedgerState, Screening};

use super::{
    draft::Bench,
    entry::{Asked, Entry},
};

/// One sale while its intents are judged.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    /// `None`: the ledger does not have the sale.
    pub(super) bench: Option<Bench<'a>>,
    /// What speaks against every intent that is no replay.
    refusal: Option<Answer>,
    seen: HashSet<KeyDigest>,
    left: i64,
    /// Intents that pass, and their units.
    pub(super) orders: u64,
    pub(super) units: u64,
}

impl<'a> Judge<'a> {
    fn new(bench: Option<Bench<'a>>, now: Timestamp, intents: usize) -> Self {
        let refusal = refusal_of_all(bench.as_ref(), now);
        let left = bench.as_ref().map_or(0, |bench| bench.change.row.totals.available);
        Self { bench, refusal, seen: HashSet::with_capacity(intents), left, orders: 0, units: 0 }
    }

    fn judge(&mut self, asked: &Asked) -> Answer {
        if !self.seen.insert(asked.key) {
            return Answer::Repeated;
        }
        let Some(bench) = &mut self.bench else { return Answer::Missing };
        match bench.key(asked.key) {
            Some(entry) if entry.quantity() == asked.quantity => return Answer::Replay(entry.order()),
            Some(_other_quantity) => return Answer::KeyReused,
            None => {}
        }
        if let Some(refusal) = self.refusal {
            return refusal;
        }
        let quantity = i64::from(asked.quantity);
        if quantity > self.left {
            return Answer::SoldOut;
        }
        let total = bench.held(asked.buyer).saturating_add(asked.quantity);
        if total > bench.change.row.limit {
            return Answer::OverLimit;
        }
        bench.change.held.insert(asked.buyer, total);
        self.left -= quantity;
        self.orders += 1;
        self.units += u64::from(asked.quantity);
        Answer::Pass
    }
}

fn refusal_of_all(bench: Option<&Bench<'_>>, now: Timestamp) -> Option<Answer> {
    let Some(bench) = bench else { return Some(Answer::Missing) };
    let row = &bench.change.row;
    match row.state {
        LedgerState::Prepared => Some(Answer::NotReady),
        LedgerState::Paused => Some(Answer::Paused),
        LedgerState::Closed => Some(Answer::Ended),
        LedgerState::Active if now < row.opens_at => Some(Answer::NotOpen { opens_at: row.opens_at }),
        LedgerState::Active if now >= row.closes_at => Some(Answer::Ended),
        LedgerState::Active => None,
    }
}

/// What came out of it.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    /// One for each intent, in their order.
    pub(super) answers: Vec<Answer>,
    /// One for each sale of the entry, in their order.
    pub(super) judges: Vec<Judge<'a>>,
}

impl<'a> Judged<'a> {
    /// Judges every intent on the sales that `bench` finds.
    pub(super) fn new(entry: &Entry, now: Timestamp, bench: impl Fn(SaleId) -> Option<Bench<'a>>) -> Self {
        let intents_of_sale = entry.asked.len() / entry.sales.len().max(1) + 1;
        let judge = |sale: &SaleId| Judge::new(bench(*sale), now, intents_of_sale);
        let mut judges: Vec<_> = entry.sales.iter().map(judge).collect();
        let answers = entry.asked.iter().map(|asked| {
            let judge = judges.get_mut(usize::from(asked.sale));
            judge.map_or(Answer::Missing, |judge| judge.judge(asked))
        });
        let answers = answers.collect();
        Self { answers, judges }
    }

    pub(super) fn all_pass(&self) -> bool {
        self.answers.iter().all(|answer| *answer == Answer::Pass)
    }

    /// The answers, with where the sales stand.
    pub(super) fn into_screening(self, open_orders: u64) -> Screening {
        let standing = |judge: &Judge<'_>| Some(judge.bench.as_ref()?.change.row.standing());
        let standings = self.judges.iter().filter_map(standing).collect();
        Screening { answers: self.answers, standings, open_orders }
    }
}
