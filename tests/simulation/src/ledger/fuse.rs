//! Scripts that are broken off after some of their writes, which Redis does not undo.

use std::collections::BTreeSet;

use flashgate_domain::{BatchId, Intent, SaleId};

use super::LedgerState;

/// A script failed half-way: its caller is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenOff;

/// In which order scripts write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they do.
    #[default]
    Right,
    /// A deduction writes its entry before it takes the units: a flaw.
    EntryFirst,
    /// A settlement says last that it happened, and is begun again: a flaw.
    AcknowledgedLast,
}

/// How many writes are left until a script is broken off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fuse {
    next: Option<u32>,
    left: Option<u32>,
    /// Whether this script has written.
    has_written: bool,
    pub(super) order: Order,
}

impl LedgerState {
    /// Breaks the next script that writes off after so many writes; one with fewer gets through.
    pub fn break_off_after(&mut self, writes: u32) {
        self.fuse.next = Some(writes);
    }

    /// Breaks nothing off that has not begun.
    pub const fn spare(&mut self) {
        self.fuse.next = None;
    }

    /// Has scripts write in another order.
    pub const fn write_in(&mut self, order: Order) {
        self.fuse.order = order;
    }

    /// A script is about to write.
    pub(super) const fn light(&mut self) {
        (self.fuse.left, self.fuse.has_written) = (self.fuse.next.take(), false);
    }

    /// One write of a script of the batch.
    ///
    /// # Errors
    /// It is broken off before.
    pub(super) fn burn(&mut self, batch: BatchId, intents: &[Intent]) -> Result<(), BrokenOff> {
        if self.fuse.left != Some(0) {
            (self.fuse.left, self.fuse.has_written) = (self.fuse.left.map(|left| left - 1), true);
            return Ok(());
        }
        self.fuse.left = None;
        if self.fuse.has_written {
            self.lost.batches.insert(batch);
            let sales: BTreeSet<SaleId> = intents.iter().map(Intent::sale).collect();
            for sale in sales {
                if self.lost.sales.insert(sale) {
                    self.lost.broken_off.insert(sale);
                }
            }
        }
        Err(BrokenOff)
    }
}
