//! Orders: look-ups and transitions. Decides; independent of any protocol.

use std::sync::Arc;

use flashgate_domain::{
    Actor, BuyerId, CancelReason, Cause, Clock, OperatorName, Order, OrderEvent, OrderId, OrderState,
};
use flashgate_order_store::{Changed, OrderChange, OrderStore};
use flashgate_service::error::ApiError;
use metrics::counter;
use tracing::info;

use super::publisher::EventSender;
use crate::operator::failure;

/// Finds and changes orders.
pub struct Orders {
    store: Arc<dyn OrderStore>,
    clock: Arc<dyn Clock>,
    events: EventSender,
}

/// Who asks for a transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A buyer, who sees only own orders.
    Buyer(BuyerId),
    /// An operator.
    Operator(OperatorName),
}

impl By {
    fn may_see(&self, order: &Order) -> bool {
        match self {
            Self::Buyer(buyer) => order.intent.buyer() == buyer,
            Self::Operator(_) => true,
        }
    }

    const fn cancel_reason(&self) -> CancelReason {
        match self {
            Self::Buyer(_) => CancelReason::ByBuyer,
            Self::Operator(_) => CancelReason::ByOperator,
        }
    }

    fn actor(&self) -> Actor {
        match self {
            Self::Buyer(_) => Actor::Buyer,
            Self::Operator(name) => Actor::Operator(name.clone()),
        }
    }
}

impl Orders {
    /// Sends the events of transitions to `events`.
    pub fn new(store: Arc<dyn OrderStore>, clock: Arc<dyn Clock>, events: EventSender) -> Self {
        Self { store, clock, events }
    }

    /// The order of any buyer, or [`ApiError::OrderNotFound`].
    pub async fn find(&self, order: OrderId) -> Result<Order, ApiError> {
        self.store.order(order).await.map_err(failure)?.ok_or(ApiError::OrderNotFound)
    }

    /// The transitions of an order, by ascending version; or [`ApiError::OrderNotFound`].
    pub async fn events(&self, order: OrderId) -> Result<Vec<OrderEvent>, ApiError> {
        let events = self.store.order_events(order).await.map_err(failure)?;
        if events.is_empty() {
            self.find(order).await?;
        }
        Ok(events)
    }

    /// Cancels a confirmed order, and returns the order after it. An order that is cancelled already is returned as it
    /// is; one in another state is [`ApiError::OrderNotCancellable`].
    pub async fn cancel(&self, order: OrderId, by: &By, cause: &Cause) -> Result<Order, ApiError> {
        let mut found = self.find(order).await?;
        // Ends: each round finds the order in a later state than the one before.
        loop {
            if !by.may_see(&found) {
                return Err(ApiError::OrderNotFound);
            }
            match found.state {
                OrderState::Confirmed => {}
                OrderState::Cancelled(_) | OrderState::Refunding(_) | OrderState::Refunded(_) => {
                    return Ok(found);
                }
                state @ (OrderState::Pending
                | OrderState::Paid
                | OrderState::Shipped
                | OrderState::Finished) => {
                    return Err(ApiError::OrderNotCancellable { state });
                }
            }
            let change = OrderChange {
                order,
                from: found.state,
                to: OrderState::Cancelled(by.cancel_reason()),
                actor: by.actor(),
                cause: cause.clone(),
            };
            match self.store.change_order(&change, self.clock.now()).await.map_err(failure)? {
                Changed::Now(event) => {
                    let (state, version) = (event.to, event.version);
                    info!(order_id = %order, state = state.as_str(), actor = %event.actor, "order changed");
                    counter!("flashgate_worker_transitions_total", "to" => state.as_str()).increment(1);
                    self.events.send(event);
                    return Ok(Order { state, version, ..found });
                }
                Changed::Elsewhere(now) => found = now,
                Changed::Missing => return Err(ApiError::OrderNotFound),
            }
        }
    }
}
