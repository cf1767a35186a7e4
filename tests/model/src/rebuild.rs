//! A rebuild of the ledger from the orders as they are now: `rebuild.lua`, `restore.lua` and `resume.lua` in small.
//!
//! The sale is paused meanwhile. Orders are cancelled, events published and consumed between any two steps.

use crate::{
    action::Action,
    ledger::{Entry, Ledger},
    model::Protocol,
    state::{Batch, Gateway, Row, State},
    variants::Break,
    worker::Step,
};

/// How far a rebuild has come. The log entries and fences stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rebuild {
    /// The orders, as they were read. `None`: not read yet.
    pub orders: Option<Vec<Row>>,
    /// How many of them are restored.
    pub restored: usize,
}

impl Protocol {
    /// The next step of the rebuild, or its begin.
    pub(crate) fn enabled_in_rebuild(state: &State, actions: &mut Vec<Action>) {
        let Some(Rebuild { orders, restored }) = &state.rebuild else {
            if state.left.rebuilds > 0 && state.is_quiet() {
                actions.push(Action::BeginRebuild);
            }
            return;
        };
        actions.push(match orders {
            None => Action::ReadOrders,
            Some(orders) if *restored < orders.len() => Action::Restore(*restored),
            Some(_) => Action::EndRebuild,
        });
        if state.left.crashes > 0 {
            actions.push(Action::CrashRebuild);
        }
    }

    /// Nothing is sold or returned any more.
    pub(crate) fn begin_rebuild(&self, state: &mut State) {
        let restocked = state.database.restocked;
        state.ledger.empty(i8::try_from(self.scale.units).unwrap_or(i8::MAX), restocked);
        state.rebuild = Some(Rebuild::default());
    }

    /// Reads a page of orders.
    pub(crate) fn read_orders(&self, state: &mut State) {
        let as_placed = |row: &Row| {
            let is_hidden = row.gave_up() && self.broken == Some(Break::RebuildAsPlaced);
            if is_hidden { Row::Confirmed } else { *row }
        };
        let orders = state.database.rows.iter().map(as_placed).collect();
        state.rebuild = Some(Rebuild { orders: Some(orders), restored: 0 });
    }

    /// Restores the next order of the page.
    pub(crate) fn restore(state: &mut State, batch: usize) {
        let Some(rebuild) = &mut state.rebuild else { return };
        let row = rebuild.orders.as_ref().map_or(Row::Absent, |orders| orders[batch]);
        rebuild.restored += 1;
        state.ledger.restore(batch, state.batches[batch].order, row);
    }

    /// The sale resumes if both layers have as many units left; else the orders are read again.
    pub(crate) fn end_rebuild(&self, state: &mut State) {
        let agree = state.ledger.available == state.database.saleable - state.database.reserved
            || self.broken == Some(Break::RebuildAsPlaced);
        state.ledger.paused = !agree;
        state.rebuild = (!agree).then(Rebuild::default);
    }
}

impl State {
    /// Whether every batch that was sent is decided and settled, also at the broker and at the worker.
    fn is_quiet(&self) -> bool {
        let is_open = |entry: &Entry| *entry == Entry::Deducted;
        let was_sent = self.batches.iter().any(|batch| batch.gateway != Gateway::Waiting);
        was_sent
            && self.batches.iter().all(Batch::is_quiet)
            && !self.ledger.log.iter().any(is_open)
            && self.queue.is_empty()
            && self.worker.step == Step::Idle
    }
}

impl Ledger {
    /// Nothing sold, nothing returned, no key, and what was added; the log stays.
    fn empty(&mut self, initial: i8, restocked: i8) {
        let (keys, marks) = (vec![None; self.keys.len()], vec![false; self.marks.len()]);
        let log = std::mem::take(&mut self.log);
        *self = Self { log, keys, marks, restocked, paused: true, ..Self::new(0, initial + restocked) };
    }

    /// Restores one order; a second time changes only what it has become since.
    fn restore(&mut self, batch: usize, order: usize, row: Row) {
        match row {
            Row::Absent => return,
            Row::OutOfStock | Row::Duplicate => {
                self.keys[order].get_or_insert(batch);
            }
            Row::Confirmed | Row::Paid | Row::Shipped | Row::Returned | Row::Refunding | Row::Refunded => {
                if self.keys[order] != Some(batch) {
                    self.keys[order] = Some(batch);
                    self.marks[order] = false;
                    self.available -= 1;
                    self.deducted += 1;
                }
                if row.gave_up() {
                    self.return_unit(batch, order, false, None);
                }
            }
        }
        if matches!(self.log[batch], Entry::Absent | Entry::Expired) {
            self.log[batch] = Entry::Acknowledged;
        }
    }
}
