//! Orders: look-ups and transitions. Decides; independent of any protocol.

use std::sync::Arc;

use flashgate_domain::{
    Actor, BuyerId, CancelReason, Cause, Clock, OperatorName, Order, OrderEvent, OrderId, OrderPage,
    OrderState, OrderStep, StepEffect,
};
use flashgate_order_store::{Changed, OrderChange, OrderStore};
use flashgate_service::error::ApiError;
use metrics::counter;
use tracing::{info, warn};

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
    /// Nobody: paid orders are shipped.
    Outbound,
}

impl By {
    fn may_see(&self, order: &Order) -> bool {
        match self {
            Self::Buyer(buyer) => order.intent.buyer() == buyer,
            Self::Operator(_) | Self::Outbound => true,
        }
    }

    /// Buyers cannot take back what they have paid for: an operator can.
    fn may_move(&self, from: OrderState) -> bool {
        match self {
            Self::Buyer(_) => from == OrderState::Confirmed,
            Self::Operator(_) | Self::Outbound => true,
        }
    }

    const fn cancel_reason(&self) -> CancelReason {
        match self {
            Self::Buyer(_) => CancelReason::ByBuyer,
            Self::Operator(_) => CancelReason::ByOperator,
            Self::Outbound => CancelReason::OutboundFailed,
        }
    }

    fn actor(&self) -> Actor {
        match self {
            Self::Buyer(_) => Actor::Buyer,
            Self::Operator(name) => Actor::Operator(name.clone()),
            Self::Outbound => Actor::Outbound,
        }
    }
}

impl Orders {
    /// Sends the events of transitions to `events`.
    pub fn new(store: Arc<dyn OrderStore>, clock: Arc<dyn Clock>, events: EventSender) -> Self {
        Self { store, clock, events }
    }

    /// The order of any buyer, or [`ApiError::OrderNotFound`]. One that was not paid in time is cancelled first, so that
    /// nobody sees it unpaid after its deadline, unless it has an open payment attempt.
    ///
    /// # Errors
    /// [`ApiError::OrderNotFound`]; a fault of the store.
    pub async fn find(&self, order: OrderId) -> Result<Order, ApiError> {
        let found = self.store.order(order).await.map_err(failure)?.ok_or(ApiError::OrderNotFound)?;
        self.in_time(found).await
    }

    /// Orders of a buyer, newest first. As [`Orders::find`], it cancels those that were not paid in time.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn list(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<Order>, ApiError> {
        let mut orders = Vec::new();
        for found in self.store.orders_of(buyer, page).await.map_err(failure)? {
            orders.push(self.in_time(found).await?);
        }
        Ok(orders)
    }

    /// The order, after its cancellation if it is overdue.
    async fn in_time(&self, found: Order) -> Result<Order, ApiError> {
        if !found.is_overdue(self.clock.now()) {
            return Ok(found);
        }
        let change = OrderChange {
            order: found.id,
            from: OrderState::Confirmed,
            to: OrderState::Cancelled(CancelReason::Timeout),
            actor: Actor::Deadline,
            cause: Cause::default(),
        };
        Ok(self.change(&found, &change).await?.order())
    }

    /// The transitions of an order, by ascending version; or [`ApiError::OrderNotFound`].
    pub async fn events(&self, order: OrderId) -> Result<Vec<OrderEvent>, ApiError> {
        let events = self.store.order_events(order).await.map_err(failure)?;
        if events.is_empty() {
            self.find(order).await?;
        }
        Ok(events)
    }

    /// Makes a step with an order, and returns the order after it. An order that has made it before is returned as it is.
    ///
    /// # Errors
    /// [`ApiError::OrderNotFound`], also if `by` may not see the order; [`ApiError::OrderStateConflict`] if it cannot make
    /// the step, or the payment provider returns its money, or there are too few units to ship it; a fault of the store.
    pub async fn make(
        &self,
        step: OrderStep,
        order: OrderId,
        by: &By,
        cause: &Cause,
    ) -> Result<Order, ApiError> {
        let mut found = self.find(order).await?;
        // Ends: each round finds the order in a later state than the one before.
        loop {
            if !by.may_see(&found) {
                return Err(ApiError::OrderNotFound);
            }
            let to = match step.effect(found.state, by.cancel_reason()) {
                StepEffect::Moves(to) if by.may_move(found.state) => to,
                StepEffect::MadeBefore => return Ok(found),
                StepEffect::Moves(_) | StepEffect::Impossible => {
                    return Err(ApiError::OrderStateConflict { state: found.state, step });
                }
            };
            let (from, actor, cause) = (found.state, by.actor(), cause.clone());
            match self.change(&found, &OrderChange { order, from, to, actor, cause }).await? {
                Moved::Now(order) => return Ok(order),
                Moved::Elsewhere(now) => found = now,
                Moved::Short(short) => found = self.fail_outbound(&short).await?,
                Moved::Held(held) => return Err(ApiError::OrderStateConflict { state: held.state, step }),
            }
        }
    }

    /// Cancels a paid order that cannot be shipped, since its sale has too few units left: the ledger promised units that do
    /// not exist. Its payment is refunded. If it has changed meanwhile, it is returned as it is now.
    async fn fail_outbound(&self, short: &Order) -> Result<Order, ApiError> {
        warn!(order_id = %short.id, sale_id = %short.intent.sale(), "order cannot be shipped: too few units; cancelling it");
        let change = OrderChange {
            order: short.id,
            from: OrderState::Paid,
            to: OrderState::Refunding(CancelReason::OutboundFailed),
            actor: Actor::Stock,
            cause: Cause::default(),
        };
        Ok(self.change(short, &change).await?.order())
    }

    /// Makes one transition of `found`.
    async fn change(&self, found: &Order, change: &OrderChange) -> Result<Moved, ApiError> {
        match self.store.change_order(change, self.clock.now()).await.map_err(failure)? {
            Changed::Now(event) => {
                let (state, version) = (event.to, event.version);
                info!(order_id = %event.order, state = state.as_str(), actor = %event.actor, "order changed");
                note(&event);
                self.events.send(event);
                Ok(Moved::Now(Order { state, version, ..found.clone() }))
            }
            Changed::Elsewhere(now) => Ok(Moved::Elsewhere(now)),
            Changed::Held(now) => Ok(Moved::Held(now)),
            Changed::Short(now) => Ok(Moved::Short(now)),
            Changed::Missing => Err(ApiError::OrderNotFound),
        }
    }
}

/// An order after an attempt to move it.
enum Moved {
    /// It was moved.
    Now(Order),
    /// It was in another state before.
    Elsewhere(Order),
    /// A payment decides.
    Held(Order),
    /// It was to be shipped, and its sale has too few units.
    Short(Order),
}

impl Moved {
    /// The order as it is now.
    fn order(self) -> Order {
        match self {
            Self::Now(order) | Self::Elsewhere(order) | Self::Held(order) | Self::Short(order) => order,
        }
    }
}

/// Counts a transition.
pub(crate) fn note(event: &OrderEvent) {
    counter!("flashgate_worker_transitions_total", "to" => event.to.as_str()).increment(1);
}
