//! Paid orders that are shipped: with their units, which they have reserved, or not at all.

use crate::{
    action::Action,
    model::Protocol,
    state::{Row, State},
    variants::Break,
};

impl Protocol {
    /// What can happen to paid orders, and to the units that they wait for.
    pub(crate) fn enabled_in_outbound(state: &State, actions: &mut Vec<Action>) {
        if state.left.losses > 0 && state.database.saleable > 0 {
            actions.push(Action::Lose);
        }
        for (batch, row) in state.database.rows.iter().enumerate() {
            if state.worker.failing.contains(&batch) {
                actions.push(Action::FailOutbound(batch));
            } else if state.left.shipments > 0 && *row == Row::Paid {
                actions.push(Action::Ship(batch));
            }
        }
    }

    /// One transaction: the state and the unit. Without a unit nothing changes, and the worker knows.
    pub(crate) fn ship(&self, state: &mut State, batch: usize) {
        let database = &mut state.database;
        if database.saleable > 0 || self.broken == Some(Break::ShipmentUnchecked) {
            state.left.shipments -= 1;
            database.rows[batch] = Row::Shipped;
            database.saleable -= 1;
            database.reserved -= 1;
        } else {
            state.worker.failing.insert(batch);
        }
    }

    /// The conditional UPDATE of an order that could not be shipped.
    pub(crate) fn fail_outbound(&self, state: &mut State, batch: usize) {
        state.worker.failing.remove(&batch);
        if state.database.rows[batch] == Row::Paid || self.broken == Some(Break::FailureUnchecked) {
            state.database.short.insert(batch);
            self.give_up(state, batch, Row::Refunding);
        }
    }

    /// An operator's slip.
    pub(crate) const fn lose(state: &mut State) {
        state.left.losses -= 1;
        state.database.saleable -= 1;
        state.database.lost += 1;
    }
}
