//! The sold-out mark of a sale: its return epoch, and the keys that already have an order.
//!
//! `buy/sold_out.rs` explains why a mark may be set.

use std::collections::HashSet;

use flashgate_domain::KeyDigest;

/// The keys of a sold-out sale.
#[derive(Debug)]
pub struct SoldOutMark {
    epoch: u64,
    /// The first 8 bytes of each key's digest. A key that only shares them with an order's key goes to the ledger: no
    /// harm.
    keys: HashSet<[u8; 8]>,
}

impl SoldOutMark {
    /// A mark for that return epoch.
    pub fn new(epoch: u64, keys: impl IntoIterator<Item = [u8; 8]>) -> Self {
        Self { epoch, keys: keys.into_iter().collect() }
    }

    /// The return epoch for which the mark is valid.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the key may have an order in the sale.
    pub fn has_order(&self, key: KeyDigest) -> bool {
        let [head @ .., _, _, _, _, _, _, _, _] = key.0;
        self.keys.contains(&head)
    }
}
