//! The order worker: a chunk into the database, its outcomes onto their topic, and only then the offset.

use std::collections::BTreeSet;

use crate::{
    model::Protocol,
    state::{Database, Row, State},
    variants::Break,
};

/// What the worker has in its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Worker {
    /// How far the chunk has come.
    pub step: Step,
    /// The batches of the chunk, in the broker's order; a batch can be there twice.
    pub chunk: Vec<usize>,
    /// Events that the broker has, and that are not marked as published.
    pub unmarked: BTreeSet<usize>,
    /// Events that only this memory has: none, unless the protocol is broken. What the queue of a worker has besides,
    /// a sweep can publish at any time.
    pub volatile: BTreeSet<usize>,
    /// Orders that were read as unpaid, and whose payment is to be recorded.
    pub paying: BTreeSet<usize>,
    /// Orders that were read as unpaid after their deadline, and are to be cancelled.
    pub closing: BTreeSet<usize>,
    /// Orders that were paid and found no unit when they were to be shipped, and are to be cancelled.
    pub failing: BTreeSet<usize>,
}

/// How far a chunk has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Step {
    /// There is none.
    #[default]
    Idle,
    /// Taken from the queue.
    Taken,
    /// In the database.
    Placed,
    /// Its outcomes are published too.
    Announced,
}

impl Worker {
    /// Whether it has nothing in its memory.
    pub fn is_idle(&self) -> bool {
        let kept = [&self.unmarked, &self.volatile, &self.paying, &self.closing, &self.failing];
        self.step == Step::Idle && kept.into_iter().all(BTreeSet::is_empty)
    }
}

impl Protocol {
    /// Takes the first `count` messages of the queue. They stay there until they are acknowledged.
    pub(crate) fn take(&self, state: &mut State, count: usize) {
        state.worker.step = Step::Taken;
        state.worker.chunk = state.queue[..count].to_vec();
        if self.broken == Some(Break::OffsetBeforeDatabase) {
            state.queue.drain(..count);
        }
    }

    /// One database transaction for the chunk. Orders are judged by ascending id.
    pub(crate) fn place(&self, state: &mut State) {
        let State { worker, database, batches, queue, .. } = state;
        let mut sorted = worker.chunk.clone();
        sorted.sort_unstable();
        for batch in sorted {
            let order = batches[batch].order;
            let rows = database.rows.iter().zip(batches.iter());
            let known = rows.clone().any(|(row, of)| *row != Row::Absent && of.order == order);
            self.place_batch(database, batch, known);
        }
        worker.step = Step::Placed;
        if self.broken == Some(Break::OffsetBeforeOutcomes) {
            queue.drain(..worker.chunk.len());
        }
    }

    fn place_batch(&self, database: &mut Database, batch: usize, key_is_known: bool) {
        if database.rows[batch] != Row::Absent {
            if self.broken == Some(Break::BatchesForgotten) {
                database.confirm(batch);
            }
        } else if key_is_known && self.broken != Some(Break::KeysNotUnique) {
            database.rows[batch] = Row::Duplicate;
        } else if self.has_unit(database) || self.broken == Some(Break::RowCountIgnored) {
            database.confirm(batch);
        } else {
            database.rows[batch] = Row::OutOfStock;
        }
    }

    fn has_unit(&self, database: &Database) -> bool {
        let ignored = self.broken == Some(Break::ReservedIgnored);
        database.saleable > if ignored { 0 } else { database.reserved }
    }

    /// Publishes the outcome of every batch of the chunk.
    pub(crate) fn announce(state: &mut State) {
        for batch in &state.worker.chunk {
            state.batches[*batch].outcome = true;
        }
        state.worker.step = Step::Announced;
    }

    /// Moves the offset past the chunk.
    pub(crate) fn acknowledge(&self, state: &mut State) {
        state.worker.step = Step::Idle;
        let chunk = std::mem::take(&mut state.worker.chunk);
        let moved_before =
            matches!(self.broken, Some(Break::OffsetBeforeDatabase | Break::OffsetBeforeOutcomes));
        if !moved_before {
            state.queue.drain(..chunk.len());
        }
    }
}

impl Database {
    /// The conditional UPDATE and the row, in one.
    fn confirm(&mut self, batch: usize) {
        self.rows[batch] = Row::Confirmed;
        if self.reserves {
            self.reserved += 1;
        } else {
            self.saleable -= 1;
        }
        self.applied += 1;
    }
}
