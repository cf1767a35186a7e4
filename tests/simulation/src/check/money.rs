//! Money that the provider took is the payment of an order, or goes back.

use anyhow::ensure;
use flashgate_domain::{
    Actor, AttemptState, CancelReason, Clock, OrderState, PaymentAttempt, Refund, RefundCause, RefundState,
};
use flashgate_order_store::payment_rules::OrderPayments;

use crate::{provider::ProviderState, servers::Servers, store::StoreState};

/// The attempts and refunds of some histories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paid {
    /// Attempts that were paid.
    pub paid: u64,
    /// Those that were paid and pay no order.
    pub surplus: u64,
    /// Those that were closed.
    pub closed: u64,
    /// Those whose money the provider gave back by itself.
    pub reversed: u64,
    /// Refunds that succeeded.
    pub returned: u64,
    /// Those that were refused, or failed later.
    pub failed: u64,
}

impl Paid {
    /// Those of one history.
    pub fn of(store: &StoreState) -> Self {
        let mut paid = Self::default();
        for known in store.all_payments() {
            for attempt in &known.attempts {
                match attempt.state {
                    AttemptState::Open => {}
                    AttemptState::Closed => paid.closed += 1,
                    AttemptState::Reversed => paid.reversed += 1,
                    AttemptState::Paid => paid.paid += 1,
                }
            }
            for refund in &known.refunds {
                paid.surplus +=
                    u64::from(refund.cause != RefundCause::OrderCancelled && refund.retry.is_none());
                paid.returned += u64::from(refund.state == RefundState::Succeeded);
                paid.failed += u64::from(refund.state == RefundState::Failed);
            }
        }
        paid
    }

    /// Adds those of another history.
    pub const fn add(&mut self, others: Self) {
        self.paid += others.paid;
        self.surplus += others.surplus;
        self.closed += others.closed;
        self.reversed += others.reversed;
        self.returned += others.returned;
        self.failed += others.failed;
    }
}

/// What was paid is the payment of its order, of which there is one, or is to be returned; and nothing that can still be
/// paid times out.
pub(super) fn payments_have_one_end(store: &StoreState) -> anyhow::Result<()> {
    for OrderPayments { order, attempts, refunds } in store.all_payments() {
        let is_surplus = |attempt: &&PaymentAttempt| {
            let mut own = refunds.iter().filter(|refund| refund.key.attempt == attempt.id);
            own.any(|refund| refund.cause != RefundCause::OrderCancelled)
        };
        let paid = attempts.iter().filter(|attempt| attempt.state == AttemptState::Paid);
        let payers: Vec<_> = paid.filter(|attempt| !is_surplus(attempt)).collect();
        ensure!(payers.len() <= 1, "order {} is paid several times: {payers:?}", order.id);
        if let Some(payer) = payers.first() {
            let is_paid = matches!(
                order.state,
                OrderState::Paid
                    | OrderState::Shipped
                    | OrderState::Finished
                    | OrderState::Refunding(_)
                    | OrderState::Refunded(_)
            );
            ensure!(
                is_paid && payer.taken == Some(payer.due),
                "order {} is {:?}, and nothing returns the money of {payer:?}",
                order.id,
                order.state
            );
        }
        let is_timed_out = order.state == OrderState::Cancelled(CancelReason::Timeout);
        let open = attempts.iter().find(|attempt| attempt.state == AttemptState::Open);
        ensure!(!is_timed_out || open.is_none(), "order {} timed out, and can be paid: {open:?}", order.id);
    }
    Ok(())
}

/// What the provider or a worker has yet to do, without which money is not where it belongs.
pub fn money_on_its_way(servers: &Servers) -> Option<String> {
    if servers.provider.state().is_at_work() {
        return Some("the payment provider is at work".to_owned());
    }
    let (provider, store) = (servers.provider.state(), servers.store.state());
    let now = servers.clock.now();
    for OrderPayments { order, attempts, refunds } in store.all_payments() {
        let is_payable = order.state == OrderState::Confirmed && !order.is_overdue(now);
        for attempt in attempts.iter().filter(|attempt| attempt.state == AttemptState::Open) {
            if !is_payable || !agrees(&provider, attempt) {
                return Some(format!("the attempt {} is open", attempt.id));
            }
        }
        if let Some(refund) = refunds.iter().find(|refund| refund.state.is_open()) {
            return Some(format!("the refund {} is in progress", refund.key.id()));
        }
    }
    store.refunds_to_retry().first().map(|refund| format!("the refund {} failed", refund.id()))
}

/// In a healed world at rest.
pub(super) fn money_is_where_it_belongs(provider: &ProviderState, store: &StoreState) -> anyhow::Result<()> {
    for known in store.all_payments() {
        for attempt in &known.attempts {
            let there = provider.attempt(attempt.id);
            ensure!(agrees(provider, attempt), "{attempt:?} is {there:?} at the provider");
        }
        for refund in &known.refunds {
            let there = provider.refund(&refund.key.id());
            ensure!(refund_agrees(refund, there), "{refund:?} is {there:?} at the provider");
        }
        let (order, held) = (&known.order, provider.held(known.order.id));
        let price = known.payer().map_or(0, |attempt| i128::from(attempt.due.minor()));
        let kept = match order.state {
            OrderState::Paid | OrderState::Shipped | OrderState::Finished => price,
            // What the provider refused to return, an operator returned by other means.
            OrderState::Refunded(_) if is_returned_by_hand(store, &known) => price,
            OrderState::Pending
            | OrderState::Confirmed
            | OrderState::Cancelled(_)
            | OrderState::Refunding(_)
            | OrderState::Refunded(_) => 0,
        };
        ensure!(held == kept, "the provider holds {held} of an order that keeps {kept}: {known:?}");
        let is_paid_by_provider = store
            .events
            .get(&order.id)
            .into_iter()
            .flatten()
            .any(|event| event.to == OrderState::Paid && event.actor == Actor::Payment);
        let has_paid = |attempt: &PaymentAttempt| attempt.taken == Some(attempt.due);
        ensure!(
            !is_paid_by_provider || known.attempts.iter().any(has_paid),
            "order {} is paid, and no attempt paid it",
            order.id
        );
    }
    Ok(())
}

/// An attempt that the store has as open can be paid at the provider; all others are there as they are here.
fn agrees(provider: &ProviderState, attempt: &PaymentAttempt) -> bool {
    match (attempt.state, provider.attempt(attempt.id)) {
        (AttemptState::Open, None) => true,
        (here, Some((there, money))) => here == there && attempt.taken == money,
        (_, None) => false,
    }
}

/// The provider does not know a refund that it refused.
fn refund_agrees(refund: &Refund, there: Option<RefundState>) -> bool {
    match (refund.state, there) {
        (RefundState::Failed | RefundState::Cancelled, None) => true,
        (here, there) => there == Some(here),
    }
}

fn is_returned_by_hand(store: &StoreState, known: &OrderPayments) -> bool {
    let last = store.events.get(&known.order.id).and_then(|events| events.last());
    last.is_some_and(|event| matches!(event.actor, Actor::Operator(_)))
}
