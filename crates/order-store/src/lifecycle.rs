//! The transitions of orders after they were placed, and their events.

use async_trait::async_trait;
use flashgate_domain::{Actor, Cause, Order, OrderEvent, OrderId, OrderState, SaleId, Timestamp};

use crate::StoreError;

/// Moves orders from state to state, and keeps the event of each transition.
///
/// An event is written with its transition, and published later: until [`LifecycleRepository::mark_published`] it is
/// among the unpublished ones, so that a killed worker loses none.
#[async_trait]
pub trait LifecycleRepository: Send + Sync + 'static {
    /// Moves an order from the state that `change` names to another, in one transaction: the state, the version, the
    /// event, and the units of an order that gives them up, which are `saleable` again and counted as `returned`. Of
    /// two concurrent calls that leave the same state, one succeeds.
    ///
    /// An order that is shipped takes its units from `saleable`, if it only has them reserved
    /// ([`DeductPolicy::AtPayment`](flashgate_domain::DeductPolicy::AtPayment)). See [`Changed::Short`].
    ///
    /// An order that becomes refunding owes what paid it: if an attempt did, its refund is stored with the transition,
    /// due now. An order that leaves `confirmed` has its open attempt checked now. See [`Changed::Held`].
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the transition is not one of [`OrderState::may_become`], or leaves `pending`.
    async fn change_order(&self, change: &OrderChange, now: Timestamp) -> Result<Changed, StoreError>;

    /// The events of an order, by ascending version; at most [`ORDER_EVENTS_MAX`].
    async fn order_events(&self, order: OrderId) -> Result<Vec<OrderEvent>, StoreError>;

    /// Events that are not marked as published, of transitions before `before`, oldest first; at most `size` and at
    /// most [`EVENT_PAGE_MAX`].
    async fn unpublished_events(&self, before: Timestamp, size: u32) -> Result<Vec<OrderEvent>, StoreError>;

    /// Marks events as published, by order and version. An unknown or marked one is ignored.
    async fn mark_published(&self, events: &[(OrderId, u32)]) -> Result<(), StoreError>;

    /// Makes the events by which orders of a sale gave their units up unpublished again, for a ledger that has lost
    /// them. Returns their number, without those that are unpublished already.
    async fn republish_returns(&self, sale: SaleId) -> Result<u64, StoreError>;
}

/// Maximum events of one order that are read: no path through the states is as long without a fault.
pub const ORDER_EVENTS_MAX: u32 = 1_000;
/// Maximum unpublished events per page.
pub const EVENT_PAGE_MAX: u32 = 1_000;

/// A transition that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderChange {
    /// The order.
    pub order: OrderId,
    /// The state that it must be in.
    pub from: OrderState,
    /// The state that it gets.
    pub to: OrderState,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub cause: Cause,
}

/// The result of [`LifecycleRepository::change_order`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// This call moved it.
    Now(OrderEvent),
    /// It is in another state than the change leaves; nothing changed. After an error, the call that failed may have
    /// brought it there.
    Elsewhere(Order),
    /// A payment decides, not this change; nothing changed. Either the change is a timeout and the order has an open
    /// attempt, or the change ends a refund that the provider has not refused.
    Held(Order),
    /// The order was to be shipped, and its sale has fewer units left than it needs; nothing changed.
    Short(Order),
    /// The store does not have the order.
    Missing,
}

impl OrderChange {
    /// Checks that this is a transition of a placed order.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub fn check(&self) -> Result<(), StoreError> {
        if self.from != OrderState::Pending && self.from.may_become(self.to) {
            return Ok(());
        }
        let name = |state: OrderState| match state.reason() {
            Some(reason) => format!("{} ({})", state.as_str(), reason.as_str()),
            None => state.as_str().to_owned(),
        };
        Err(StoreError::Refused(format!(
            "an order cannot change from {} to {}",
            name(self.from),
            name(self.to)
        )))
    }
}

impl Changed {
    /// The result of `change`, given whether the conditional update hit the row, and the order after it. `None` if the
    /// update hit a row that cannot be read back.
    pub fn of(is_moved: bool, change: &OrderChange, order: Option<Order>, now: Timestamp) -> Option<Self> {
        match order {
            Some(order) if is_moved => Some(Self::Now(OrderEvent {
                order: order.id,
                batch: order.batch,
                intent: order.intent,
                version: order.version,
                from: change.from,
                to: change.to,
                actor: change.actor.clone(),
                cause: change.cause.clone(),
                at: now,
            })),
            Some(order) => Some(Self::Elsewhere(order)),
            None => (!is_moved).then_some(Self::Missing),
        }
    }
}
