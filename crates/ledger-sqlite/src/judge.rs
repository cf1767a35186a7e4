//! Judges intents, for screening and deducting. The order of the checks is that of [`IntentResult`]; an intent that
//! does not pass takes nothing from later ones.

use std::collections::HashSet;

use flashgate_domain::{KeyDigest, SaleId, Timestamp};
use flashgate_ledger::{
    IntentResult, LedgerState, Screening,
    intents::{IntentFields, Intents},
};

use super::draft::Overlay;

/// One sale while its intents are judged.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    /// `None`: the ledger does not have the sale.
    pub(super) overlay: Option<Overlay<'a>>,
    /// The refusal of every intent except replays.
    refusal: Option<IntentResult>,
    seen: HashSet<KeyDigest>,
    left: i64,
    /// Passing intents, and their units.
    pub(super) orders: u64,
    pub(super) units: u64,
}

impl<'a> Judge<'a> {
    fn new(overlay: Option<Overlay<'a>>, now: Timestamp, intents: usize) -> Self {
        let refusal = refusal_of_all(overlay.as_ref(), now);
        let left = overlay.as_ref().map_or(0, |overlay| overlay.change.row.totals.available);
        Self { overlay, refusal, seen: HashSet::with_capacity(intents), left, orders: 0, units: 0 }
    }

    fn judge(&mut self, asked: &IntentFields) -> IntentResult {
        if !self.seen.insert(asked.key) {
            return IntentResult::Repeated;
        }
        let Some(overlay) = &mut self.overlay else { return IntentResult::Missing };
        match overlay.key(asked.key) {
            Some(entry) if entry.quantity() == asked.quantity => return IntentResult::Replay(entry.order()),
            Some(_other_quantity) => return IntentResult::KeyReused,
            None => {}
        }
        if let Some(refusal) = self.refusal {
            return refusal;
        }
        let quantity = i64::from(asked.quantity);
        if quantity > self.left {
            return IntentResult::SoldOut;
        }
        let total = overlay.held(asked.buyer).saturating_add(asked.quantity);
        if total > overlay.change.row.limit {
            return IntentResult::OverLimit;
        }
        overlay.change.held.insert(asked.buyer, total);
        self.left -= quantity;
        self.orders += 1;
        self.units += u64::from(asked.quantity);
        IntentResult::Pass
    }
}

fn refusal_of_all(overlay: Option<&Overlay<'_>>, now: Timestamp) -> Option<IntentResult> {
    let Some(overlay) = overlay else { return Some(IntentResult::Missing) };
    let row = &overlay.change.row;
    match row.state {
        LedgerState::Prepared => Some(IntentResult::NotReady),
        LedgerState::Paused => Some(IntentResult::Paused),
        LedgerState::Closed => Some(IntentResult::Ended),
        LedgerState::Active if now < row.opens_at => Some(IntentResult::NotOpen { opens_at: row.opens_at }),
        LedgerState::Active if now >= row.closes_at => Some(IntentResult::Ended),
        LedgerState::Active => None,
    }
}

/// The results of judging.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    /// One for each intent, in their order.
    pub(super) results: Vec<IntentResult>,
    /// One for each sale of the intents, in their order.
    pub(super) judges: Vec<Judge<'a>>,
}

impl<'a> Judged<'a> {
    /// Judges every intent on the sales that `overlay` returns.
    pub(super) fn new(
        intents: &Intents,
        now: Timestamp,
        overlay: impl Fn(SaleId) -> Option<Overlay<'a>>,
    ) -> Self {
        let intents_of_sale = intents.asked.len() / intents.sales.len().max(1) + 1;
        let judge = |sale: &SaleId| Judge::new(overlay(*sale), now, intents_of_sale);
        let mut judges: Vec<_> = intents.sales.iter().map(judge).collect();
        let results = intents.asked.iter().map(|asked| {
            let judge = judges.get_mut(usize::from(asked.sale));
            judge.map_or(IntentResult::Missing, |judge| judge.judge(asked))
        });
        let results = results.collect();
        Self { results, judges }
    }

    pub(super) fn all_pass(&self) -> bool {
        self.results.iter().all(|answer| *answer == IntentResult::Pass)
    }

    /// The results, with the stocks of the sales.
    pub(super) fn into_screening(self, open_orders: u64) -> Screening {
        let stock = |judge: &Judge<'_>| Some(judge.overlay.as_ref()?.change.row.stock());
        let stocks = self.judges.iter().filter_map(stock).collect();
        Screening { results: self.results, stocks, open_orders }
    }
}
