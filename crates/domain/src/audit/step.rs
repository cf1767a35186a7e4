//! Compensating steps: corrections of missing or surplus units that an audit found.
//!
//! A step names the state that it expects, and only state that traffic does not change: the internal contradiction of
//! one side, and the number of earlier steps. So a step is refused if another one was taken first, and needs no
//! pause.

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
    /// The expected number of earlier steps.
    pub adjustments: u64,
    /// [`Gap::in_ledger`]: corrected in `available` alone, since the totals are right.
    pub in_ledger: i64,
    /// The part of [`Gap::across`] that no batch explains: below 0, that many units are returned to sale; above, that
    /// many are taken from it.
    pub across: i64,
}

impl LedgerStep {
    /// The change of `available`.
    pub const fn units(&self) -> i64 {
        self.in_ledger.saturating_add(self.across).saturating_neg()
    }
}

/// A step in the order store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreStep {
    /// The expected number of earlier steps.
    pub adjustments: u64,
    /// [`Gap::in_store`]: corrected in `saleable`, since the orders are right.
    pub in_store: i64,
}

impl StoreStep {
    /// The change of `saleable`.
    pub const fn units(&self) -> i64 {
        self.in_store.saturating_neg()
    }

    /// The units added to `saleable`, and the units taken from it; one of them is 0.
    pub const fn added_and_taken(&self) -> (u64, u64) {
        let units = self.in_store.unsigned_abs();
        if self.in_store < 0 { (units, 0) } else { (0, units) }
    }
}

/// The steps that would correct the units of a sale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// The step in the ledger.
    pub ledger: Option<LedgerStep>,
    /// The step in the order store.
    pub store: Option<StoreStep>,
}

impl Steps {
    /// The steps for a confirmed gap. A difference that a batch explains is not compensated: the batch is repaired,
    /// and the rest is audited again. No step adds units while orders are missing in the order store, or were left
    /// out of its sums: their units would be sold twice.
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
        // The ledger's own totals include the missing orders, and those that a lost entry may have held.
        let may_add_to_ledger = all_there || (store.is_whole() && has_suspects);
        let in_store_step = StoreStep { adjustments: store.adjustments, in_store };
        let is_off = in_ledger != 0 || across != 0;
        Self {
            ledger: (is_off && (in_ledger >= 0 || may_add_to_ledger)).then_some(in_ledger_step),
            store: (in_store != 0 && (in_store >= 0 || all_there)).then_some(in_store_step),
        }
    }

    /// The steps that this audit and a later one have in common. Of a difference across, the smaller: the measured
    /// value can be too large, never too small.
    pub fn agreed(&self, later: &Self) -> Self {
        let ledger = match (self.ledger, later.ledger) {
            (Some(one), Some(other)) => both(one, other),
            _ => None,
        };
        Self { ledger, store: later.store.filter(|step| self.store == Some(*step)) }
    }

    /// The same steps without the part that no batch explains, for callers that have not compared every batch.
    pub fn without_unexplained(self) -> Self {
        let step = |step: LedgerStep| LedgerStep { across: 0, ..step };
        Self { ledger: self.ledger.map(step).filter(|step| step.in_ledger != 0), ..self }
    }

    /// Whether there are no steps.
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
