//! The holdings of buyers in the ledger, compared with their orders; and whether all of a sale is present.

use std::{cmp::Ordering, collections::HashMap};

use super::{
    finding::Finding,
    snapshot::{LedgerSnapshot, WrittenCounts},
};
use crate::buyer::BuyerDigest;

/// Maximum buyers with a difference in memory: further buyers are not compared.
const DIFFERENCES_MAX: usize = 100_000;

/// The finding for a sale with other buyers or keys than were written. A snapshot is one moment, and scripts write
/// both in one step: work in flight makes no difference.
pub fn lost_part(ledger: &LedgerSnapshot) -> Option<Finding> {
    let (written, found) = (ledger.written?, WrittenCounts { buyers: ledger.buyers, keys: ledger.keys });
    (written != found).then_some(Finding::PartLost { written, found })
}

/// One reading of the holdings of a sale's buyers. For each buyer the order store was read first, so that
///
/// - a buyer that holds **fewer** units than its orders is certain: an order is deducted before it is decided, and
///   its units stay held unless it is cancelled;
/// - a buyer that holds **more** may have orders that are not decided, or not settled. It is certain if no batch was
///   open before the reading and the ledger's sale did not change meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    fewer: HashMap<BuyerDigest, u64>,
    more: HashMap<BuyerDigest, u64>,
    /// Buyers with orders that hold units.
    holders: u64,
    /// Buyers that hold units, and have no order.
    without_orders: u64,
}

impl Holdings {
    /// Adds a buyer with orders of `units` units that afterwards held `held` units in the ledger.
    pub fn add(&mut self, buyer: BuyerDigest, units: u64, held: u64) {
        match held.cmp(&units) {
            Ordering::Less => drop(self.fewer.insert(buyer, units - held)),
            Ordering::Equal => {}
            Ordering::Greater => drop(self.more.insert(buyer, held - units)),
        }
        self.holders += u64::from(held > 0);
    }

    /// Whether no more buyers may be added.
    pub fn is_full(&self) -> bool {
        self.fewer.len() + self.more.len() >= DIFFERENCES_MAX
    }

    /// Whether there is no difference that a second snapshot of the ledger could confirm. `before`: the ledger, read
    /// before the first buyer.
    pub fn agrees(&self, before: &LedgerSnapshot) -> bool {
        let more = !self.more.is_empty() || before.buyers > self.holders;
        self.fewer.is_empty() && !(more && nothing_is_open(before))
    }

    /// The certain differences, given the ledger before the first buyer and after the last one.
    pub fn confirmed(mut self, before: &LedgerSnapshot, after: &LedgerSnapshot) -> Self {
        if before.generation != after.generation {
            // The ledger was rebuilt meanwhile.
            return Self::default();
        }
        if !nothing_is_open(before) || before.sequence != after.sequence {
            self.more.clear();
        } else if !self.is_full() {
            self.without_orders = before.buyers.saturating_sub(self.holders);
        }
        self
    }

    /// The differences that this reading and a later one have in common.
    pub fn agreed(mut self, later: &Self) -> Self {
        let both = |ours: &mut HashMap<BuyerDigest, u64>, theirs: &HashMap<BuyerDigest, u64>| {
            ours.retain(|buyer, units| {
                *units = (*units).min(theirs.get(buyer).copied().unwrap_or(0));
                *units > 0
            });
        };
        both(&mut self.fewer, &later.fewer);
        both(&mut self.more, &later.more);
        self.without_orders = self.without_orders.min(later.without_orders);
        self
    }

    /// The findings of the differences.
    pub fn findings(&self) -> Vec<Finding> {
        let sum = |units: &HashMap<BuyerDigest, u64>| {
            let buyers = u64::try_from(units.len()).unwrap_or(u64::MAX);
            (buyers, units.values().fold(0, |sum: u64, units| sum.saturating_add(*units)))
        };
        let ((fewer, too_few), (more, too_many)) = (sum(&self.fewer), sum(&self.more));
        let mut findings = Vec::new();
        if fewer > 0 {
            findings.push(Finding::HeldTooFew { buyers: fewer, units: too_few });
        }
        // A buyer without an order holds at least one unit.
        let (more, too_many) = (more + self.without_orders, too_many.saturating_add(self.without_orders));
        if more > 0 {
            findings.push(Finding::HeldTooMany { buyers: more, units: too_many });
        }
        findings
    }
}

/// Whether each of the ledger's orders of the sale is settled.
const fn nothing_is_open(ledger: &LedgerSnapshot) -> bool {
    ledger.open.is_empty() && ledger.lost.is_empty()
}
