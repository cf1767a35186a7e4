//! From snapshots to findings.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{
    finding::Finding,
    gap::{Gap, missing_orders},
    snapshot::{Amount, DecidedBatch, LedgerSnapshot, StoreSnapshot, Sums},
};
use crate::{clock::Timestamp, id::BatchId, sale::SaleState};

/// The state of a decided batch in the deduction log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceStatus {
    /// No entry, and the key of its first order leads to another order, or to none: the ledger never had the batch,
    /// or has lost it.
    Unknown,
    /// No entry, but the key of its first order leads to it: the batch was deducted, and its entry was lost.
    Forgotten,
    /// Fenced.
    Fenced,
    /// Deducted, and not settled.
    Open,
    /// Settled.
    Settled,
}

/// A batch in the deduction log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The batch.
    pub batch: BatchId,
    /// Its state in the log.
    pub status: TraceStatus,
    /// Its orders of the sale, as in the log.
    pub sums: Sums,
}

/// Findings from the comparison of single batches, confirmed by a second reading.
#[derive(Clone, Debug, Default)]
pub struct Evidence(pub Vec<Finding>);

impl Evidence {
    /// The finding of a batch of the store and its trace in the ledger. Names no orders.
    pub fn of(decided: &DecidedBatch, trace: &Trace) -> Option<Finding> {
        let (batch, store) = (decided.of_sale.batch, decided.of_sale.sums);
        let phantom = |fenced| Finding::Phantom {
            batch,
            amount: store.total(),
            confirmed_units: store.confirmed.units,
            fenced,
        };
        match trace.status {
            TraceStatus::Unknown => (store.total().orders > 0).then(|| phantom(false)),
            TraceStatus::Fenced => (store.total().orders > 0).then(|| phantom(true)),
            // Not comparable yet, or no longer.
            TraceStatus::Open | TraceStatus::Forgotten => None,
            TraceStatus::Settled => (store != trace.sums).then(|| Finding::ChangedBatch {
                batch,
                units: difference(trace.sums.confirmed.units, store.confirmed.units),
                orders: Vec::new(),
            }),
        }
    }

    /// Whether the batches explain the whole gap.
    pub fn explains(&self, gap: &Gap) -> bool {
        let changed = self.0.iter().any(|finding| matches!(finding, Finding::ChangedBatch { .. }));
        let row_alone = gap.across == 0;
        !self.0.is_empty() && self.across() == gap.across && (gap.in_store == 0 || changed || row_alone)
    }

    /// The part of [`Gap::across`] that this explains.
    fn across(&self) -> i64 {
        let parts = self.0.iter().map(|finding| match finding {
            Finding::Phantom { confirmed_units, .. } => difference(*confirmed_units, 0),
            Finding::ChangedBatch { units, .. } => units.saturating_neg(),
            Finding::ToRedrive { .. }
            | Finding::Leaked { .. }
            | Finding::Surplus { .. }
            | Finding::LedgerContradiction { .. }
            | Finding::StoreContradiction { .. }
            | Finding::OrdersMissing { .. }
            | Finding::PartLost { .. }
            | Finding::HeldTooFew { .. }
            | Finding::HeldTooMany { .. }
            | Finding::ReturnsDue { .. }
            | Finding::RestocksDue { .. }
            | Finding::ReturnedTooMany { .. }
            | Finding::MissingInLedger
            | Finding::OtherGeneration { .. } => 0,
        });
        parts.fold(0, i64::saturating_add)
    }
}

fn difference(more: u64, less: u64) -> i64 {
    let signed = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
    signed(more).saturating_sub(signed(less))
}

/// The open batches: the number and holdings of those in flight, and those that are older than `age`, by the
/// ledger's clock.
pub fn open_batches(
    ledger: &LedgerSnapshot,
    store: &StoreSnapshot,
    age: Duration,
) -> (u64, Amount, Vec<Finding>) {
    let decided: HashSet<BatchId> = store.decided.iter().map(|decided| decided.batch).collect();
    let old = |at: Timestamp| ledger.taken_at.saturating_since(at) > age;
    let (mut batches, mut in_flight, mut findings) = (0, Amount::default(), Vec::new());
    for held in &ledger.open {
        if old(held.deducted_at) {
            let (batch, deducted_at, amount) = (held.id, held.deducted_at, held.amount);
            let decided = decided.contains(&batch);
            findings.push(Finding::ToRedrive { batch, deducted_at, amount, decided });
        } else {
            batches += 1;
            in_flight.add(held.amount.orders, held.amount.units);
        }
    }
    let of_store: HashMap<BatchId, Sums> =
        store.decided.iter().map(|decided| (decided.batch, decided.sums)).collect();
    for lost in ledger.lost.iter().filter(|lost| old(lost.deducted_at)) {
        // Only the store knows the holdings of the batch. A batch without orders of this sale is irrelevant here.
        let amount = of_store.get(&lost.batch).map(Sums::total).unwrap_or_default();
        if amount.orders > 0 {
            let (batch, deducted_at) = (lost.batch, lost.deducted_at);
            findings.push(Finding::ToRedrive { batch, deducted_at, amount, decided: true });
        }
    }
    (batches, in_flight, findings)
}

/// The findings of a confirmed gap, given the evidence of the batches.
pub fn weigh(gap: &Gap, evidence: Evidence, ledger: &LedgerSnapshot, store: &StoreSnapshot) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (orders, suspects) = (missing_orders(ledger, store), suspects(ledger, store));
    // The keys may be those of an undecided batch.
    if orders > 0 && suspects.is_empty() {
        findings.push(Finding::OrdersMissing { orders });
    }
    if gap.in_ledger != 0 {
        findings.push(Finding::LedgerContradiction { units: gap.in_ledger });
    }
    if gap.in_store != 0 {
        findings.push(Finding::StoreContradiction { units: gap.in_store });
    }
    let unexplained = gap.across.saturating_sub(evidence.across());
    findings.extend(evidence.0);
    // Units that were taken from `available` alone are missing as well: the totals only give the number.
    let gone = unexplained.saturating_add(gap.in_ledger);
    if gone < 0 {
        findings.push(Finding::Leaked { units: gone.unsigned_abs(), suspects });
    } else if gone > 0 {
        findings.push(Finding::Surplus { units: gone.unsigned_abs() });
    }
    findings
}

/// The finding about the units that confirmed orders gave up, from the last look at both sides, and the units that the
/// store had returned at the first look. Returns that were made since may still be on their way.
pub fn returned_units(at_first: u64, ledger: &LedgerSnapshot, store: &StoreSnapshot) -> Option<Finding> {
    if ledger.generation != store.generation {
        return None;
    }
    let released = ledger.totals.released;
    let due = at_first.min(store.returned).saturating_sub(released);
    let too_many = released.saturating_sub(store.returned);
    match (due, too_many) {
        (0, 0) => None,
        (0, units) => Some(Finding::ReturnedTooMany { units }),
        (units, _) => Some(Finding::ReturnsDue { units }),
    }
}

/// The finding about the units that operators added, from the last look at both sides, and the units that the store had
/// counted at the first look. What was added since may still be on its way. No gateway adds units to a sale that is closed,
/// and nobody misses them there.
pub fn restocked_units(at_first: u64, ledger: &LedgerSnapshot, store: &StoreSnapshot) -> Option<Finding> {
    let units = at_first.min(store.restocked).saturating_sub(ledger.totals.restocked);
    let is_asked_for = store.state != SaleState::Closed && ledger.generation == store.generation;
    (units > 0 && is_asked_for).then_some(Finding::RestocksDue { units })
}

/// Undecided open batches without a log entry: their holdings are unknown.
pub(super) fn suspects(ledger: &LedgerSnapshot, store: &StoreSnapshot) -> Vec<BatchId> {
    let decided: HashSet<BatchId> = store.decided.iter().map(|decided| decided.batch).collect();
    ledger.lost.iter().map(|lost| lost.batch).filter(|batch| !decided.contains(batch)).collect()
}
