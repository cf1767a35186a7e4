//! The contents of the file, in memory: every sale with what its buyers hold, its keys and its open batches. It has
//! committed data only, so that reads need not wait for the disk.

use std::collections::{BTreeMap, HashMap};

use flashgate_domain::{
    BatchId, BuyerDigest, KeyDigest, OrderId, SaleId, Shard, Timestamp, audit::Amount, intent::QUANTITY_MAX,
};
use flashgate_ledger::{LedgerIdentity, OpenBatch, SaleStock, Snapshot, WrittenCounts};

use super::{
    digests::Digests,
    draft::{Draft, Overlay, SaleChange},
    sale::SaleRow,
};

/// The order of a key. Without padding: there is one for every order of every sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(4))]
pub(super) struct KeyEntry {
    order: OrderId,
    /// The quantity, and [`KeyEntry::RETURNED`] if the units were returned.
    units: u32,
}

impl KeyEntry {
    const RETURNED: u32 = {
        assert!(QUANTITY_MAX < 1 << 31, "a quantity does not have the highest bit");
        1 << 31
    };

    pub(super) const fn new(order: OrderId, quantity: u32) -> Self {
        Self { order, units: quantity & !Self::RETURNED }
    }

    /// The entry of the same order once it gave its units up.
    pub(super) const fn returned(self) -> Self {
        Self { order: self.order, units: self.units | Self::RETURNED }
    }

    pub(super) const fn order(self) -> OrderId {
        self.order
    }

    pub(super) const fn quantity(self) -> u32 {
        self.units & !Self::RETURNED
    }
}

/// The sort key of an open batch: oldest first.
pub(super) type OpenKey = (Timestamp, BatchId);

/// One sale.
#[derive(Debug)]
pub(super) struct SaleIndex {
    pub(super) row: SaleRow,
    held: Digests<u32>,
    pub(super) keys: Digests<KeyEntry>,
    open: BTreeMap<OpenKey, Amount>,
}

impl SaleIndex {
    pub(super) fn new(row: SaleRow) -> Self {
        Self { row, held: Digests::default(), keys: Digests::default(), open: BTreeMap::new() }
    }

    /// The units that the buyer holds.
    pub(super) fn held(&self, buyer: BuyerDigest) -> u32 {
        self.held.get(&buyer.0).unwrap_or(0)
    }

    /// The order of a key.
    pub(super) fn key(&self, key: KeyDigest) -> Option<KeyEntry> {
        self.keys.get(&key.0)
    }

    pub(super) fn hold(&mut self, buyer: BuyerDigest, units: u32) {
        if units == 0 {
            self.held.remove(&buyer.0);
        } else {
            self.held.insert(buyer.0, units);
        }
    }

    pub(super) fn own(&mut self, key: KeyDigest, entry: KeyEntry) {
        self.keys.insert(key.0, entry);
    }

    pub(super) fn open(&mut self, key: OpenKey, amount: Amount) {
        self.open.insert(key, amount);
    }

    /// The orders and units of all open batches.
    pub(super) fn pending(&self) -> (u64, u64) {
        self.open.values().fold((0, 0), |(orders, units), share| (orders + share.orders, units + share.units))
    }

    fn apply(&mut self, change: SaleChange) {
        self.row = change.row;
        for (buyer, units) in change.held {
            self.hold(buyer, units);
        }
        for (key, entry) in change.keys {
            self.own(key, entry);
        }
        self.open.extend(change.opened);
        for key in change.settled {
            self.open.remove(&key);
        }
    }

    fn snapshot(&self, taken_at: Timestamp) -> Snapshot {
        let open = self.open.iter().map(|((deducted_at, id), amount)| OpenBatch {
            id: *id,
            deducted_at: *deducted_at,
            amount: *amount,
        });
        let row = &self.row;
        let count = |fields| u64::try_from(fields).unwrap_or(u64::MAX);
        let (buyers, keys) = (count(self.held.len()), count(self.keys.len()));
        Snapshot {
            state: row.state,
            generation: row.generation,
            totals: row.totals,
            epoch: row.epoch,
            sequence: row.sequence,
            adjustments: row.adjustments,
            buyers,
            keys,
            // Both follow from the log, which is checked when the file is opened.
            written: WrittenCounts { buyers, keys },
            pending_orders: row.pending_orders.try_into().unwrap_or(i64::MAX),
            taken_at,
            open: open.collect(),
            // Open batches are read from the log itself.
            lost: Vec::new(),
        }
    }
}

/// The index of the whole file.
#[derive(Debug)]
pub(super) struct LedgerIndex {
    pub(super) identity: Option<LedgerIdentity>,
    pub(super) sales: HashMap<SaleId, SaleIndex>,
    /// By shard: orders in batches that are not settled.
    pub(super) open_orders: Vec<u64>,
    /// The number of gateway starts.
    pub(super) starts: u64,
    /// The number of the next batch.
    pub(super) next_number: u64,
}

impl LedgerIndex {
    pub(super) fn stock(&self, sale: SaleId) -> Option<SaleStock> {
        self.sales.get(&sale).map(|index| index.row.stock())
    }

    pub(super) fn snapshot(&self, sale: SaleId, now: Timestamp) -> Option<Snapshot> {
        self.sales.get(&sale).map(|index| index.snapshot(now))
    }

    pub(super) fn open_orders(&self, shard: Shard) -> u64 {
        self.open_orders.get(usize::from(shard.get())).copied().unwrap_or(0)
    }

    /// The sale for a call that changes nothing.
    pub(super) fn overlay(&self, sale: SaleId) -> Option<Overlay<'_>> {
        let index = self.sales.get(&sale)?;
        Some(Overlay::new(index.row, Some(index), None))
    }

    /// Applies committed changes. Returns the removed sales, for the caller to drop outside of the lock.
    pub(super) fn apply(&mut self, draft: Draft) -> Vec<SaleIndex> {
        let Draft { identity, sales, open_orders, starts, next_number, retired, events: _ } = draft;
        (self.identity, self.open_orders) = (identity, open_orders);
        (self.starts, self.next_number) = (starts, next_number);
        for (id, change) in sales {
            self.sales.entry(id).or_insert_with(|| SaleIndex::new(change.row)).apply(change);
        }
        retired.iter().filter_map(|sale| self.sales.remove(sale)).collect()
    }
}
