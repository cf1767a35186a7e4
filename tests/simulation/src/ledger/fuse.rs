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
    /// A return says last that it happened: a flaw.
    MarkedLast,
}

/// Which script is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Whichever writes next.
    Any,
    /// The next settlement that cancels an order: what it gives back must not come back twice.
    Cancelling,
    /// The next return of the units of a confirmed order, likewise.
    Returning,
}

/// How many writes are left until a script is broken off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fuse {
    /// After how many writes the next script is broken off.
    next: Option<u32>,
    /// And the next settlement that cancels an order.
    next_cancelling: Option<u32>,
    /// And the next return.
    next_returning: Option<u32>,
    left: Option<u32>,
    /// Whether this script has written.
    has_written: bool,
    pub(super) order: Order,
}

impl LedgerState {
    /// Breaks a script off after so many writes; one with fewer gets through.
    pub const fn break_off(&mut self, script: Script, writes: u32) {
        match script {
            Script::Any => self.fuse.next = Some(writes),
            Script::Cancelling => self.fuse.next_cancelling = Some(writes),
            Script::Returning => self.fuse.next_returning = Some(writes),
        }
    }

    /// Breaks nothing off that has not begun.
    pub const fn spare(&mut self) {
        (self.fuse.next, self.fuse.next_cancelling, self.fuse.next_returning) = (None, None, None);
    }

    /// Has scripts write in another order.
    pub const fn write_in(&mut self, order: Order) {
        self.fuse.order = order;
    }

    /// A script of that kind is about to write.
    pub(super) fn light(&mut self, script: Script) {
        let of_kind = match script {
            Script::Any => None,
            Script::Cancelling => self.fuse.next_cancelling.take(),
            Script::Returning => self.fuse.next_returning.take(),
        };
        (self.fuse.left, self.fuse.has_written) = (of_kind.or_else(|| self.fuse.next.take()), false);
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
