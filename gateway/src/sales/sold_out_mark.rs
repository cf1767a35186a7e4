//! The sold-out mark of a sale: the return epoch that it holds for, and the keys that already have an order.
//!
//! Why a mark may be set is told where it is set: `buy/sold_out.rs`.

use std::collections::HashSet;

use flashgate_domain::KeyDigest;

/// The keys of a sale that is sold out.
#[derive(Debug)]
pub struct SoldOutMark {
    epoch: u64,
    /// The first 8 bytes of each key's digest. Two keys that share them both go to the ledger: no harm.
    keys: HashSet<[u8; 8]>,
}

impl SoldOutMark {
    /// A mark of that return epoch.
    pub fn new(epoch: u64, keys: impl IntoIterator<Item = [u8; 8]>) -> Self {
        Self { epoch, keys: keys.into_iter().collect() }
    }

    /// The return epoch that it holds for.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the key may have an order in the sale.
    pub fn has_order(&self, key: KeyDigest) -> bool {
        let [head @ .., _, _, _, _, _, _, _, _] = key.0;
        self.keys.contains(&head)
    }
}
