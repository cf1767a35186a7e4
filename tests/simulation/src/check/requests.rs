//! Requests about orders, against what is so.

use anyhow::{Context, ensure};
use flashgate_domain::{Actor, CancelReason, OrderEvent, OrderId, OrderState, OrderStep};
use flashgate_service::error::ApiError;

use super::books::Excuses;
use crate::{
    ledger::LedgerState,
    orders::{Answer, Asked, Caller, Wish},
    store::StoreState,
};

/// Whatever was answered is so, and whatever was done was asked for, or was due.
pub(super) fn requests_are_true(
    asked: &[Asked],
    ledger: &LedgerState,
    store: &StoreState,
) -> anyhow::Result<()> {
    for request in asked {
        let answer = request.answer.as_ref().with_context(|| format!("nobody answered {request:?}"))?;
        if let Answer::Order(answered, version @ 1..) = answer {
            let was = store.state_in(request.order, *version);
            ensure!(was == Some(*answered), "{request:?}: the order was {was:?}");
            payment_stands(request, store)?;
        }
        if request.caller == Caller::Buyer && *answer == Answer::Error(ApiError::OrderNotFound) {
            let is_lost = Excuses(&ledger.lost).order(request.order);
            ensure!(is_lost, "{request:?}: the order was accepted");
        }
    }
    for event in store.events.values().flatten() {
        let Some(wanted) = wanted(event) else { continue };
        let is_asked_for =
            asked.iter().any(|request| (request.order, request.caller, request.wish) == wanted);
        ensure!(is_asked_for, "nobody asked for {event:?}");
    }
    Ok(())
}

/// An order whose payment was answered with success does not time out.
fn payment_stands(request: &Asked, store: &StoreState) -> anyhow::Result<()> {
    let state = store.orders.get(&request.order).map(|order| order.state);
    let is_timed_out = state == Some(OrderState::Cancelled(CancelReason::Timeout));
    ensure!(
        !is_timed_out || request.wish != Wish::Make(OrderStep::Pay),
        "{request:?}: the order was paid, and is {state:?}"
    );
    Ok(())
}

/// The request that leads to an event, unless it is due by itself.
fn wanted(event: &OrderEvent) -> Option<(OrderId, Caller, Wish)> {
    let caller = match event.actor {
        Actor::Deadline | Actor::Stock | Actor::Outbound | Actor::Payment => return None,
        Actor::Buyer => Caller::Buyer,
        Actor::Operator(_) => Caller::Operator,
    };
    let step = match event.to {
        OrderState::Paid => OrderStep::Pay,
        OrderState::Shipped => OrderStep::Ship,
        OrderState::Finished => OrderStep::Finish,
        OrderState::Refunded(_) => OrderStep::Refund,
        OrderState::Refunding(CancelReason::OutboundFailed) => OrderStep::Fail,
        OrderState::Cancelled(_) | OrderState::Refunding(_) => OrderStep::Cancel,
        OrderState::Pending | OrderState::Confirmed => return None,
    };
    Some((event.order, caller, Wish::Make(step)))
}
