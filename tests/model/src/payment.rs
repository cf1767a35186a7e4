//! Orders that are paid, or not in time: `lifecycle::Orders` and the sweep of the worker in small.
//!
//! A step of an order reads it first, and then changes it if it still is as it was read. In between, it can be paid, time
//! out or be cancelled: the row decides.

use crate::{
    action::Action,
    model::Protocol,
    state::{Due, Row, State},
    variants::Break,
};

impl Protocol {
    /// What can happen to an order until it is paid, and after it was.
    pub(crate) fn enabled_in_payment(state: &State, actions: &mut Vec<Action>) {
        for (batch, of) in state.batches.iter().enumerate() {
            let row = state.database.rows[batch];
            let worker = &state.worker;
            if worker.paying.contains(&batch) {
                actions.push(Action::Pay(batch));
            } else if state.left.payments > 0 && row == Row::Confirmed {
                actions.push(Action::AskToPay(batch));
            }
            if state.left.timeouts > 0 && row == Row::Confirmed && of.due == Due::Later {
                actions.push(Action::PassPayBy(batch));
            }
            if of.due == Due::Now {
                actions.push(Action::Sweep(batch));
            }
            if worker.closing.contains(&batch) {
                actions.push(Action::Close(batch));
            } else if of.due == Due::Now && row == Row::Confirmed {
                actions.push(Action::LookUp(batch));
            }
            if row == Row::Refunding {
                actions.push(Action::Refund(batch));
            }
        }
    }

    /// A worker reads an unpaid order, to record its payment.
    pub(crate) fn ask_to_pay(state: &mut State, batch: usize) {
        state.left.payments -= 1;
        state.worker.paying.insert(batch);
    }

    /// The conditional UPDATE. Whoever pays is told of it.
    pub(crate) fn pay(&self, state: &mut State, batch: usize) {
        state.worker.paying.remove(&batch);
        let row = &mut state.database.rows[batch];
        if *row == Row::Confirmed || self.broken == Some(Break::PaymentUnchecked) {
            *row = Row::Paid;
            state.batches[batch].paid = true;
        }
    }

    /// The deadline passes.
    pub(crate) fn pass_pay_by(state: &mut State, batch: usize) {
        state.left.timeouts -= 1;
        state.batches[batch].due = Due::Now;
    }

    /// One transaction: the orders of a deadline that has passed, and the deadline.
    pub(crate) fn sweep(&self, state: &mut State, batch: usize) {
        if self.broken == Some(Break::DeadlineDeletedFirst) {
            state.batches[batch].due = Due::Forgotten;
            state.worker.closing.insert(batch);
        } else {
            self.cancel_unpaid(state, batch);
        }
    }

    /// The second half of a look-up: the conditional UPDATE.
    pub(crate) fn close(&self, state: &mut State, batch: usize) {
        state.worker.closing.remove(&batch);
        if self.broken == Some(Break::TimeoutUnchecked) && state.database.rows[batch] == Row::Paid {
            state.database.rows[batch] = Row::Confirmed;
        }
        self.cancel_unpaid(state, batch);
    }

    fn cancel_unpaid(&self, state: &mut State, batch: usize) {
        if state.database.rows[batch] == Row::Confirmed {
            self.give_up(state, batch, Row::Returned);
        }
    }

    /// The money is back.
    pub(crate) fn refund(&self, state: &mut State, batch: usize) {
        let database = &mut state.database;
        database.rows[batch] = Row::Refunded;
        if self.broken == Some(Break::RefundReturns) {
            database.saleable += 1;
            database.returned += 1;
        }
    }
}
