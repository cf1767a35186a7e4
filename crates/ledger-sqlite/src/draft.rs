//! Uncommitted changes. An [`Overlay`] is one sale during one call; the [`Draft`] has all changes of one transaction.
//! Both are read before the index: what they do not have is read from the index.

use std::collections::HashMap;

use flashgate_domain::{BuyerDigest, KeyDigest, SaleId, Shard, audit::Amount};
use flashgate_ledger::{LedgerEvent, LedgerIdentity};

use super::{
    index::{KeyEntry, LedgerIndex, OpenKey, SaleIndex},
    sale::SaleRow,
};

/// The changes of one sale.
#[derive(Debug)]
pub(super) struct SaleChange {
    pub(super) row: SaleRow,
    /// The new holdings of buyers; 0: none any more.
    pub(super) held: HashMap<BuyerDigest, u32>,
    pub(super) keys: HashMap<KeyDigest, KeyEntry>,
    pub(super) opened: Vec<(OpenKey, Amount)>,
    pub(super) settled: Vec<OpenKey>,
}

impl SaleChange {
    pub(super) fn new(row: SaleRow) -> Self {
        Self { row, held: HashMap::new(), keys: HashMap::new(), opened: Vec::new(), settled: Vec::new() }
    }

    fn merge(&mut self, later: Self) {
        self.row = later.row;
        self.held.extend(later.held);
        self.keys.extend(later.keys);
        self.opened.extend(later.opened);
        self.settled.extend(later.settled);
    }
}

/// One sale during one call.
#[derive(Debug)]
pub(super) struct Overlay<'a> {
    index: Option<&'a SaleIndex>,
    draft: Option<&'a SaleChange>,
    /// The changes by the call.
    pub(super) change: SaleChange,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(row: SaleRow, index: Option<&'a SaleIndex>, draft: Option<&'a SaleChange>) -> Self {
        Self { index, draft, change: SaleChange::new(row) }
    }

    /// The units that the buyer holds.
    pub(super) fn held(&self, buyer: BuyerDigest) -> u32 {
        let drafted = self.draft.and_then(|draft| draft.held.get(&buyer));
        match self.change.held.get(&buyer).or(drafted) {
            Some(units) => *units,
            None => self.index.map_or(0, |index| index.held(buyer)),
        }
    }

    /// The order of a key.
    pub(super) fn key(&self, key: KeyDigest) -> Option<KeyEntry> {
        let drafted = self.draft.and_then(|draft| draft.keys.get(&key));
        let changed = self.change.keys.get(&key).or(drafted).copied();
        changed.or_else(|| self.index.and_then(|index| index.key(key)))
    }
}

/// All changes of one transaction.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) identity: Option<LedgerIdentity>,
    pub(super) sales: HashMap<SaleId, SaleChange>,
    pub(super) open_orders: Vec<u64>,
    pub(super) starts: u64,
    pub(super) next_number: u64,
    pub(super) retired: Vec<SaleId>,
    /// Published after the commit.
    pub(super) events: Vec<LedgerEvent>,
}

impl Draft {
    pub(super) fn new(index: &LedgerIndex) -> Self {
        Self {
            identity: index.identity,
            sales: HashMap::new(),
            open_orders: index.open_orders.clone(),
            starts: index.starts,
            next_number: index.next_number,
            retired: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The sale after the calls so far.
    pub(super) fn row(&self, index: &LedgerIndex, sale: SaleId) -> Option<SaleRow> {
        let drafted = self.sales.get(&sale).map(|change| change.row);
        drafted.or_else(|| index.sales.get(&sale).map(|index| index.row))
    }

    /// The sale for the next call.
    pub(super) fn overlay<'a>(&'a self, index: &'a LedgerIndex, sale: SaleId) -> Option<Overlay<'a>> {
        let row = self.row(index, sale)?;
        Some(Overlay::new(row, index.sales.get(&sale), self.sales.get(&sale)))
    }

    /// Adds the changes of a sale by one call.
    pub(super) fn merge(&mut self, change: SaleChange) {
        match self.sales.entry(change.row.id) {
            std::collections::hash_map::Entry::Occupied(mut earlier) => earlier.get_mut().merge(change),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(change);
            }
        }
    }

    pub(super) fn open_orders(&self, shard: Shard) -> u64 {
        self.open_orders.get(usize::from(shard.get())).copied().unwrap_or(0)
    }

    pub(super) fn set_open_orders(&mut self, shard: Shard, orders: u64) {
        if let Some(open) = self.open_orders.get_mut(usize::from(shard.get())) {
            *open = orders;
        }
    }
}
