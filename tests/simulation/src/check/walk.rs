//! The life of an order after it was placed: one event for each transition, each made by somebody who may.

use anyhow::ensure;
use flashgate_domain::{Actor, CancelReason, Order, OrderEvent, OrderState};
use flashgate_order_store::decide::first_decision;

use crate::store::StoreState;

/// The transitions of the orders of some histories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walks {
    /// Orders that were cancelled by their buyer or an operator before they were paid.
    pub cancelled: u64,
    /// Those that were not paid in time.
    pub timed_out: u64,
    /// Those that were paid.
    pub paid: u64,
    /// Those that were shipped by themselves.
    pub outbound: u64,
    /// Those that were finished.
    pub finished: u64,
    /// Those that were cancelled after they were paid.
    pub refunding: u64,
    /// Those that were refunded.
    pub refunded: u64,
}

impl Walks {
    /// Those of one history.
    pub fn of(store: &StoreState) -> Self {
        let mut walks = Self::default();
        for event in store.events.values().flatten() {
            match event.to {
                OrderState::Cancelled(CancelReason::Timeout) => walks.timed_out += 1,
                OrderState::Cancelled(_) => walks.cancelled += 1,
                OrderState::Paid => walks.paid += 1,
                OrderState::Shipped if event.actor == Actor::Outbound => walks.outbound += 1,
                OrderState::Finished => walks.finished += 1,
                OrderState::Refunding(_) => walks.refunding += 1,
                OrderState::Refunded(_) => walks.refunded += 1,
                OrderState::Pending | OrderState::Confirmed | OrderState::Shipped => {}
            }
        }
        walks
    }

    /// Adds those of another history.
    pub const fn add(&mut self, others: Self) {
        self.cancelled += others.cancelled;
        self.timed_out += others.timed_out;
        self.paid += others.paid;
        self.outbound += others.outbound;
        self.finished += others.finished;
        self.refunding += others.refunding;
        self.refunded += others.refunded;
    }
}

/// The events lead from the state that was decided to the present one, and the units are given up once at most.
pub(super) fn is_walked(order: &Order, events: &[OrderEvent]) -> anyhow::Result<()> {
    let (mut state, mut version) = (first_decision(order.state).state(), 1);
    for event in events {
        let fits = event.from == state && event.version == version + 1 && state.may_become(event.to);
        ensure!(fits, "order {} is {state:?}, version {version}, before {event:?}", order.id);
        ensure!(is_allowed(event), "order {}: {:?} may not do {event:?}", order.id, event.actor);
        if event.actor == Actor::Deadline {
            is_due(order, event)?;
        }
        (state, version) = (event.to, event.version);
    }
    let is_now = (order.state, order.version);
    ensure!((state, version) == is_now, "order {} is {is_now:?} after {events:?}", order.id);
    let returns = events.iter().filter(|event| event.returns_units()).count();
    ensure!(returns <= 1, "order {} gives its units up {returns} times", order.id);
    Ok(())
}

/// A deadline cancels what is unpaid, a buyer too, and an operator also what is paid. A payment pays, and what it returns
/// refunds. The outbound ships. Nobody else has their reasons.
fn is_allowed(event: &OrderEvent) -> bool {
    match (&event.actor, event.from, event.to) {
        (Actor::Deadline, OrderState::Confirmed, OrderState::Cancelled(reason)) => {
            reason == CancelReason::Timeout
        }
        (Actor::Buyer, OrderState::Confirmed, OrderState::Cancelled(reason)) => {
            reason == CancelReason::ByBuyer
        }
        (Actor::Operator(_), _, OrderState::Cancelled(reason) | OrderState::Refunding(reason)) => {
            matches!(reason, CancelReason::ByOperator | CancelReason::OutboundFailed)
        }
        (Actor::Operator(_), _, _) | (Actor::Outbound, OrderState::Paid, OrderState::Shipped) => true,
        (Actor::Payment, OrderState::Paid, OrderState::Refunding(reason)) => {
            reason == CancelReason::PaymentReversed
        }
        (Actor::Payment, OrderState::Confirmed, OrderState::Paid)
        | (Actor::Payment, OrderState::Refunding(_), OrderState::Refunded(_))
        | (Actor::Payment, OrderState::Refunded(_), OrderState::Refunding(_)) => true,
        // Nobody takes units out, so that there are always enough.
        (Actor::Deadline | Actor::Buyer | Actor::Stock | Actor::Outbound | Actor::Payment, _, _) => false,
    }
}

fn is_due(order: &Order, event: &OrderEvent) -> anyhow::Result<()> {
    let pay_by = order.pay_by;
    ensure!(pay_by.is_some(), "order {} has no deadline, and is cancelled by one", order.id);
    ensure!(
        pay_by.is_some_and(|pay_by| pay_by <= event.at),
        "order {} is cancelled at {:?}, before its deadline {pay_by:?}",
        order.id,
        event.at
    );
    Ok(())
}
