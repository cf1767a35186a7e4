//! Confirmed orders that are cancelled: the event of each, and the return of its unit. `return_units.lua` in small.

use crate::{
    action::{Action, Heard},
    ledger::{Entry, Ledger},
    model::Protocol,
    state::{Batch, Database, Due, Event, Gateway, Half, Row, State},
    variants::Break,
};

impl Protocol {
    /// What can happen to orders after they were decided.
    pub(crate) fn enabled_in_lifecycle(&self, state: &State, actions: &mut Vec<Action>) {
        let marks_first = self.broken == Some(Break::MarkedBeforePublished);
        for (batch, of) in state.batches.iter().enumerate() {
            if state.left.cancels > 0 && matches!(state.database.rows[batch], Row::Confirmed | Row::Paid) {
                actions.push(Action::Cancel(batch));
            }
            // Marking comes first, so that a healed world does not publish for ever.
            let is_unpublished = state.database.events.get(&batch) == Some(&Event::Unpublished);
            let is_unmarked = state.worker.unmarked.contains(&batch);
            if is_unmarked || (marks_first && is_unpublished) {
                actions.push(Action::MarkPublished(batch));
            }
            if (is_unpublished && !is_unmarked && !marks_first) || state.worker.volatile.contains(&batch) {
                actions.extend([Heard::Yes, Heard::No].map(|heard| Action::Publish(batch, heard)));
            }
            // An event that comes before its order is settled is put off.
            let waits_for_nothing = self.broken == Some(Break::ReturnBeforeSettlement);
            if of.event && (waits_for_nothing || state.ledger.has_settled(batch, of.order)) {
                actions.extend([Heard::Yes, Heard::No].map(|heard| Action::Return(batch, heard)));
            }
            if state.entry_can_expire(batch) {
                actions.push(Action::Expire(batch));
            }
        }
    }

    /// By its buyer or an operator. A refund is due to an order that is paid.
    pub(crate) fn cancel(&self, state: &mut State, batch: usize) {
        state.left.cancels -= 1;
        let is_owed = state.database.rows[batch] == Row::Paid && self.broken != Some(Break::PaidCancelled);
        self.give_up(state, batch, if is_owed { Row::Refunding } else { Row::Returned });
    }

    /// One transaction: the state, the unit and the event.
    pub(crate) fn give_up(&self, state: &mut State, batch: usize, row: Row) {
        let event = if self.broken == Some(Break::EventInMemory) {
            state.worker.volatile.insert(batch);
            Event::Published
        } else {
            Event::Unpublished
        };
        state.database.give_up(batch, row, event);
    }

    /// The broker gets the event. Without its answer the next sweep publishes the event again.
    pub(crate) fn publish(state: &mut State, batch: usize, heard: Heard) {
        state.batches[batch].event = true;
        if heard == Heard::Yes && !state.worker.volatile.remove(&batch) {
            state.worker.unmarked.insert(batch);
        }
    }

    /// The order store deletes the event from the unpublished ones.
    pub(crate) fn mark_published(&self, state: &mut State, batch: usize) {
        state.database.events.insert(batch, Event::Published);
        if self.broken == Some(Break::MarkedBeforePublished) {
            state.worker.volatile.insert(batch);
        } else {
            state.worker.unmarked.remove(&batch);
        }
    }

    /// A gateway takes the event to the ledger, and moves its offset or not.
    pub(crate) fn return_unit(&self, state: &mut State, batch: usize, heard: Heard) {
        let of = &mut state.batches[batch];
        let is_written_off =
            state.database.short.contains(&batch) && self.broken != Some(Break::ShortReturned);
        state.ledger.return_unit(batch, of.order, is_written_off, self.broken);
        if heard == Heard::Yes {
            of.event = false;
        }
    }

    /// The retention of a settled entry ends.
    pub(crate) fn expire(&self, state: &mut State, batch: usize) {
        state.ledger.log[batch] = Entry::Expired;
        if self.broken == Some(Break::ProofInEntry) {
            state.ledger.marks[state.batches[batch].order] = false;
        }
    }
}

impl State {
    /// Whether the entry is settled and nobody will ask for its fate: it outlives doubts and check-backs by days.
    /// Only where orders are cancelled, since expiry changes nothing elsewhere.
    fn entry_can_expire(&self, batch: usize) -> bool {
        let of = &self.batches[batch];
        self.ledger.log[batch] == Entry::Acknowledged
            && (self.can_give_up(batch) || self.database.rows[batch].gave_up())
            && matches!(of.gateway, Gateway::Told(_))
            && of.half == Half::Committed
    }

    fn can_give_up(&self, batch: usize) -> bool {
        self.left.shipments > 0
            || self.left.cancels > 0
            || self.left.timeouts > 0
            || self.batches[batch].due != Due::Later
    }
}

impl Ledger {
    /// Whether the order is settled: its key has it, and the log does not say otherwise.
    pub(crate) fn has_settled(&self, batch: usize, order: usize) -> bool {
        let is_open = matches!(self.log[batch], Entry::Deducted | Entry::Fenced);
        self.keys[order] == Some(batch) && !is_open
    }

    /// Returns the unit of a settled order that was cancelled later, once: the mark on its key proves it. One that does not
    /// exist is written off.
    pub(crate) fn return_unit(
        &mut self,
        batch: usize,
        order: usize,
        is_written_off: bool,
        broken: Option<Break>,
    ) {
        if self.marks[order] && broken != Some(Break::ReturnUnmarked) {
            return;
        }
        self.keys[order] = Some(batch);
        self.marks[order] = true;
        if is_written_off {
            self.written_off += 1;
        } else {
            self.put_back();
        }
        self.released += 1;
    }
}

impl Database {
    /// The conditional UPDATE of an order that has its unit, the unit, and the event.
    fn give_up(&mut self, batch: usize, row: Row, event: Event) {
        self.rows[batch] = row;
        if self.reserves {
            self.reserved -= 1;
        } else {
            self.saleable += 1;
        }
        self.returned += 1;
        self.events.insert(batch, event);
    }
}

impl Batch {
    /// Whether nobody carries it, and the broker does not ask for its fate.
    pub(crate) const fn is_quiet(&self) -> bool {
        matches!(self.gateway, Gateway::Waiting | Gateway::Told(_))
            && !matches!(self.half, Half::Open)
            && !(self.deduction || self.commit)
    }
}
