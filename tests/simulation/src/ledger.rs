//! The ledger of the simulation: Redis's scripts as functions on a value, with what it acknowledged last kept
//! beside it, so that a failover can lose it.

mod books;
mod client;
mod fuse;
mod judge;
mod returns;
mod settle;

use std::collections::{BTreeSet, VecDeque};

pub use books::{Account, Books, Entry, KeyEntry, Status};
pub use client::SimLedger;
use flashgate_domain::{BatchId, SaleId, Timestamp};
use flashgate_ledger::LedgerEvent;
use fuse::Fuse;
pub use fuse::{BrokenOff, Order, Script};
use rand::rngs::StdRng;
use tokio::sync::mpsc;

use crate::random::happens;

/// How far a process has seen a sale come: generation, then sequence.
pub type Progress = (u32, u64);

/// The server.
pub struct LedgerState {
    /// What it knows.
    pub books: Books,
    /// What it knew before each of its last writes, oldest first.
    past: VecDeque<Books>,
    past_max: usize,
    listeners: Vec<mpsc::UnboundedSender<LedgerEvent>>,
    /// Listeners over frozen connections, which hear nothing and are not told so.
    silent: Vec<mpsc::UnboundedSender<LedgerEvent>>,
    /// Notes that get lost, in 1,000, and who decides it.
    note_loss: (u32, StdRng),
    /// What failovers have lost.
    pub lost: Losses,
    /// When the next script is broken off.
    fuse: Fuse,
}

/// What is excused since a failover lost it.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// Batches whose entry was changed by a failover: their deduction, their fence or their settlement is gone.
    pub batches: BTreeSet<BatchId>,
    /// Sales that a failover changed.
    pub sales: BTreeSet<SaleId>,
    /// Those among them that only a script that was broken off has changed: they may have too few units, never too many.
    pub broken_off: BTreeSet<SaleId>,
    /// Sales of which a settlement or a return was broken off: units that orders gave up may be missing until a rebuild.
    pub in_part: BTreeSet<SaleId>,
}

impl LedgerState {
    /// An empty ledger that can lose up to `past_max` writes.
    pub fn new(past_max: usize, note_loss: (u32, StdRng)) -> Self {
        let (books, past) = (Books::default(), VecDeque::new());
        Self {
            books,
            past,
            past_max,
            listeners: Vec::new(),
            silent: Vec::new(),
            note_loss,
            lost: Losses::default(),
            fuse: Fuse::default(),
        }
    }

    /// The books, to be written to. A write that changed nothing is none that a failover could lose.
    fn write(&mut self) -> &mut Books {
        if self.past_max > 0 && self.past.back() != Some(&self.books) {
            if self.past.len() == self.past_max {
                self.past.pop_front();
            }
            self.past.push_back(self.books.clone());
        }
        &mut self.books
    }

    /// A replica takes over that has not heard of the last `writes`. Node numbers are never given out twice
    /// here: that they could be is what the nonces in batch ids are for. The ledger keeps its identity: one that has
    /// lost it waits for a rebuild, and there may be no sale yet to rebuild.
    pub fn fail_over(&mut self, writes: usize) {
        let kept = self.past.len().saturating_sub(writes);
        let Some(replica) = self.past.get(kept).cloned() else { return };
        self.past.truncate(kept);
        let before = std::mem::replace(&mut self.books, replica);
        (self.books.starts, self.books.identity) = (before.starts, before.identity);
        for (base, entry) in &before.log {
            if self.books.log.get(base) != Some(entry) {
                self.lost.batches.insert(entry.id);
            }
        }
        for (sale, account) in &before.sales {
            if self.books.sales.get(sale) != Some(account) {
                self.lost.sales.insert(*sale);
                self.lost.broken_off.remove(sale);
            }
        }
    }

    fn publish(&mut self, events: Vec<LedgerEvent>) {
        let (permille, random) = &mut self.note_loss;
        for event in events {
            self.listeners
                .retain(|listener| happens(random, *permille) || listener.send(event.clone()).is_ok());
        }
    }

    /// The connections of all listeners freeze.
    pub fn silence(&mut self) {
        self.silent.append(&mut self.listeners);
    }

    fn listen(&mut self) -> mpsc::UnboundedReceiver<LedgerEvent> {
        let (listener, events) = mpsc::unbounded_channel();
        self.listeners.push(listener);
        events
    }

    fn check_back(&mut self, batch: BatchId, now: Timestamp) -> flashgate_ledger::Fate {
        use flashgate_ledger::Fate;
        match self.books.log.get(&batch.base()) {
            Some(entry) if entry.id == batch && matches!(entry.status, Status::Known { .. }) => {
                Fate::Deducted
            }
            // Also if another batch has the base: its entry is the fence.
            Some(_) => Fate::Fenced,
            None => {
                let entry = Entry {
                    id: batch,
                    at: now,
                    status: Status::Fenced,
                    body: Vec::new(),
                    settling: false,
                    rebuilt: None,
                };
                self.write().log.insert(batch.base(), entry);
                Fate::Fenced
            }
        }
    }
}
