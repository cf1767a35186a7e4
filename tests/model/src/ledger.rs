//! The ledger's scripts for a purchase. Each call happens whole: `deduct.lua`, `check_back.lua` and `settle.lua` in
//! small. Those for a cancelled order, added units and a rebuild are in [`crate::lifecycle`],
//! [`crate::restock`] and [`crate::rebuild`].

use crate::{state::Row, variants::Break};

/// The counters, the keys and the deduction log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// The log entry of each batch.
    pub log: Vec<Entry>,
    /// Which batch has the key of each order.
    pub keys: Vec<Option<usize>>,
    /// Which keys have the mark: the unit of their order was returned.
    pub marks: Vec<bool>,
    /// `initial + restocked + returned - deducted`; below zero when a late deduction found fewer units than had been sold.
    pub available: i8,
    /// Units added by operators.
    pub restocked: i8,
    /// Units taken by batches.
    pub deducted: i8,
    /// Units given back.
    pub returned: i8,
    /// The part of `returned` that confirmed orders gave up.
    pub released: i8,
    /// The part of `deducted` that the database could not give.
    pub written_off: i8,
    /// Nothing is sold until a rebuild has ended.
    pub paused: bool,
}

/// A batch in the deduction log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// Nothing is known of it.
    Absent,
    /// A check-back found nothing: it can never be deducted.
    Fenced,
    /// Deducted, not settled.
    Deducted,
    /// Settled.
    Acknowledged,
    /// Settled, and deleted at the end of its retention: to the scripts the same as `Absent`.
    Expired,
}

impl Entry {
    /// Whether the log says, or said, that the batch's order is.
    pub const fn stands(self) -> bool {
        match self {
            Self::Deducted | Self::Acknowledged | Self::Expired => true,
            Self::Absent | Self::Fenced => false,
        }
    }
}

/// The answer to a deduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deduction {
    /// The batch is deducted, now or before.
    Applied,
    /// A check-back came first.
    Fenced,
    /// No unit is left, or the sale is paused.
    SoldOut,
    /// The key has an order already: that of this batch.
    Replay(usize),
}

/// The answer to a check-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The log has it.
    Deducted,
    /// It is fenced, now or before.
    Fenced,
}

impl Ledger {
    /// A preheated sale of `available` units.
    pub fn new(orders: usize, available: i8) -> Self {
        let (log, keys, marks) = (vec![Entry::Absent; orders], vec![None; orders], vec![false; orders]);
        Self {
            log,
            keys,
            marks,
            available,
            restocked: 0,
            deducted: 0,
            returned: 0,
            released: 0,
            written_off: 0,
            paused: false,
        }
    }

    /// Applies the batch and writes its log entry, or changes nothing. Duplicates are judged before stock.
    pub fn deduct(&mut self, batch: usize, order: usize) -> Deduction {
        if matches!(self.log[batch], Entry::Deducted | Entry::Acknowledged) {
            return Deduction::Applied;
        }
        if self.log[batch] == Entry::Fenced {
            return Deduction::Fenced;
        }
        if let Some(earlier) = self.keys[order] {
            return Deduction::Replay(earlier);
        }
        if self.paused || self.available <= 0 {
            return Deduction::SoldOut;
        }
        self.take(batch, order, Entry::Deducted);
        Deduction::Applied
    }

    /// Tells the fate of a batch and makes it final.
    pub fn check_back(&mut self, batch: usize, broken: Option<Break>) -> Fate {
        if self.log[batch].stands() {
            return Fate::Deducted;
        }
        if broken != Some(Break::NoFence) {
            self.log[batch] = Entry::Fenced;
        }
        Fate::Fenced
    }

    /// Records what the database decided. A second time changes nothing; an unknown batch is deducted now. A
    /// fenced one is a contradiction that an operator must see: nothing changes.
    pub fn settle(&mut self, batch: usize, order: usize, row: Row, broken: Option<Break>) {
        match self.log[batch] {
            Entry::Acknowledged if broken != Some(Break::SettleTwice) => return,
            Entry::Fenced => return,
            // The key proves the settlement; the entry is written again.
            Entry::Expired if self.keys[order] == Some(batch) => {
                self.log[batch] = Entry::Acknowledged;
                return;
            }
            Entry::Absent | Entry::Expired => self.take(batch, order, Entry::Acknowledged),
            Entry::Deducted | Entry::Acknowledged => self.log[batch] = Entry::Acknowledged,
        }
        match row {
            Row::OutOfStock if broken == Some(Break::WrittenOffReturned) => self.put_back(),
            Row::OutOfStock => self.written_off += 1,
            Row::Duplicate => self.put_back(),
            // A decision is final: an order that was cancelled later was settled as confirmed.
            Row::Absent
            | Row::Confirmed
            | Row::Paid
            | Row::Shipped
            | Row::Returned
            | Row::Refunding
            | Row::Refunded => {}
        }
    }

    fn take(&mut self, batch: usize, order: usize, entry: Entry) {
        self.log[batch] = entry;
        self.keys[order].get_or_insert(batch);
        self.available -= 1;
        self.deducted += 1;
    }

    pub(crate) const fn put_back(&mut self) {
        self.returned += 1;
        self.available += 1;
    }
}
