//! Compensating steps: what puts units right that an audit found missing or too many.
//!
//! A step names what it saw, and only what traffic does not move: the contradiction of one side in itself, and how
//! many steps there were before. So it is refused if somebody else was first, and needs no stop of the sale.

use super::{
    finding::Finding,
    gap::{Gap, missing_orders},
    judge::{Evidence, suspects},
    snapshot::{LedgerSnapshot, StoreSnapshot},
};

/// A step in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerStep {
    /// The generation of the sale.
    pub generation: u32,
    /// How many steps there were.
    pub adjustments: u64,
    /// [`Gap::in_ledger`]: it is put right in `available` alone, since the totals know better.
    pub in_ledger: i64,
    /// What is left of [`Gap::across`] and no batch explains: below 0, so many units come back on sale; above, so
    /// many are taken off it.
    pub across: i64,
}

impl LedgerStep {
    /// By how much `available` changes.
    pub const fn units(&self) -> i64 {
        self.in_ledger.saturating_add(self.across).saturating_neg()
    }
}

/// A step in the order store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreStep {
    /// How many steps there were.
    pub adjustments: u64,
    /// [`Gap::in_store`]: it is put right in `saleable`, since the orders know better.
    pub in_store: i64,
}

impl StoreStep {
    /// By how much `saleable` changes.
    pub const fn units(&self) -> i64 {
        self.in_store.saturating_neg()
    }

    /// How many units it adds to `saleable`, and how many it takes off; one of them is 0.
    pub const fn added_and_taken(&self) -> (u64, u64) {
        let units = self.in_store.unsigned_abs();
        if self.in_store < 0 { (units, 0) } else { (0, units) }
    }
}

/// What would put the units of a sale right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// In the ledger.
    pub ledger: Option<LedgerStep>,
    /// In the order store.
    pub store: Option<StoreStep>,
}

impl Steps {
    /// The steps for a gap that was confirmed. What a batch explains is not compensated: the batch is put right, and
    /// what is left after that is looked at again. No step adds units while orders are missing in the order store, or
    /// were left out of its sums: theirs would be sold twice.
    pub fn of(gap: &Gap, evidence: &Evidence, ledger: &LedgerSnapshot, store: &StoreSnapshot) -> Self {
        if ledger.generation != store.generation {
            return Self::default();
        }
        let no_batch = evidence.0.is_empty();
        let has_suspects = !suspects(ledger, store).is_empty();
        let all_there = store.is_whole() && missing_orders(ledger, store) == 0;
        let may_add = all_there && !has_suspects;
        let across = if no_batch && (may_add || gap.across >= 0) { gap.across } else { 0 };
        let changed = evidence.0.iter().any(|finding| matches!(finding, Finding::ChangedBatch { .. }));
        let in_store = if changed { 0 } else { gap.in_store };
        let (generation, in_ledger) = (ledger.generation, gap.in_ledger);
        let in_ledger_step = LedgerStep { generation, adjustments: ledger.adjustments, in_ledger, across };
        // The ledger's own totals know the missing orders; what they may be of a lost entry, they know as well.
        let may_add_to_ledger = all_there || (store.is_whole() && has_suspects);
        let in_store_step = StoreStep { adjustments: store.adjustments, in_store };
        let is_off = in_ledger != 0 || across != 0;
        Self {
            ledger: (is_off && (in_ledger >= 0 || may_add_to_ledger)).then_some(in_ledger_step),
            store: (in_store != 0 && (in_store >= 0 || all_there)).then_some(in_store_step),
        }
    }

    /// What an earlier audit and a later one both say. Of a difference across, the smaller one: it can be measured too
    /// great, and never too small.
    pub fn agreed(&self, later: &Self) -> Self {
        let ledger = match (self.ledger, later.ledger) {
            (Some(one), Some(other)) => both(one, other),
            _ => None,
        };
        Self { ledger, store: later.store.filter(|step| self.store == Some(*step)) }
    }

    /// The same without what no batch explains, for whoever has not looked at every batch.
    pub fn without_unexplained(self) -> Self {
        let step = |step: LedgerStep| LedgerStep { across: 0, ..step };
        Self { ledger: self.ledger.map(step).filter(|step| step.in_ledger != 0), ..self }
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.ledger.is_none() && self.store.is_none()
    }
}

fn both(one: LedgerStep, other: LedgerStep) -> Option<LedgerStep> {
    let same_side = one.across.signum() == other.across.signum();
    let across = if same_side { one.across.min(other.across) } else { 0 };
    let step = LedgerStep { across, ..one };
    let is_same = step == LedgerStep { across, ..other };
    (is_same && (step.in_ledger != 0 || across != 0)).then_some(step)
}
