//! An order, as its buyer and as operators see it.

use flashgate_domain::{CancelReason, Order, OrderEvent, Timestamp};
use flashgate_proto::{
    json::{Buyer, Id, Key},
    v1,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::not_empty;

/// What a gateway tells the buyer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderView {
    /// The order.
    #[schema(value_type = Id)]
    pub order_id: String,
    /// The sale.
    #[schema(value_type = Id)]
    pub sale_id: String,
    /// How many units.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: u32,
    /// `pending`, `confirmed`, `paid`, `shipped`, `finished`, `cancelled`, `refunding` or `refunded`.
    #[schema(pattern = "^(pending|confirmed|paid|shipped|finished|cancelled|refunding|refunded)$")]
    pub state: String,
    /// Why it was cancelled, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cancel_reason: Option<String>,
    /// Greater with every transition: of two answers, the one with the greater version is newer. 0 while pending.
    pub version: u32,
    /// When it is cancelled unless it is paid, in milliseconds since 1970-01-01T00:00:00Z. Missing while it is pending, and
    /// if it has no payment deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pay_by_ms: Option<u64>,
}

impl From<&Order> for OrderView {
    fn from(order: &Order) -> Self {
        Self {
            order_id: order.id.to_string(),
            sale_id: order.intent.sale().to_string(),
            quantity: order.intent.quantity().get(),
            state: order.state.as_str().to_owned(),
            cancel_reason: order.state.reason().map(CancelReason::as_str).map(str::to_owned),
            version: order.version,
            pay_by_ms: order.pay_by.map(Timestamp::as_millis),
        }
    }
}

impl From<v1::GetOrderResponse> for OrderView {
    fn from(order: v1::GetOrderResponse) -> Self {
        let v1::GetOrderResponse { order_id, sale_id, quantity, state, cancel_reason, version, pay_by_ms } =
            order;
        let cancel_reason = not_empty(cancel_reason);
        Self { order_id, sale_id: sale_id.to_string(), quantity, state, cancel_reason, version, pay_by_ms }
    }
}

/// An order as the order store has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StoredOrderView {
    /// What its buyer sees as well.
    #[serde(flatten)]
    pub order: OrderView,
    /// The buyer.
    #[schema(value_type = Buyer)]
    pub buyer_id: String,
    /// The buyer's key for this purchase.
    #[schema(value_type = Key)]
    pub idempotency_key: String,
    /// The batch of the order: 32 hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub batch_id: String,
    /// When the order store stored it, in milliseconds since 1970-01-01T00:00:00Z.
    pub created_at_ms: u64,
}

impl From<&Order> for StoredOrderView {
    fn from(stored: &Order) -> Self {
        let Order { intent, batch, created_at, .. } = stored;
        Self {
            order: OrderView::from(stored),
            buyer_id: intent.buyer().as_str().to_owned(),
            idempotency_key: intent.key().as_str().to_owned(),
            batch_id: batch.to_string(),
            created_at_ms: created_at.as_millis(),
        }
    }
}

/// A page of orders.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StoredOrdersView {
    /// By descending id, which is newest first.
    pub orders: Vec<StoredOrderView>,
}

impl From<&[Order]> for StoredOrdersView {
    fn from(orders: &[Order]) -> Self {
        Self { orders: orders.iter().map(StoredOrderView::from).collect() }
    }
}

/// A transition of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderEventView {
    /// The version of the order after the transition.
    #[schema(minimum = 2)]
    pub version: u32,
    /// The state before.
    pub from: &'static str,
    /// The state after.
    pub to: &'static str,
    /// Why it is cancelled, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cancel_reason: Option<&'static str>,
    /// `buyer`, `deadline`, or `operator:` and a name.
    pub actor: String,
    /// The cause in the actor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cause: Option<String>,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
}

impl From<&OrderEvent> for OrderEventView {
    fn from(event: &OrderEvent) -> Self {
        Self {
            version: event.version,
            from: event.from.as_str(),
            to: event.to.as_str(),
            cancel_reason: event.to.reason().map(CancelReason::as_str),
            actor: event.actor.to_string(),
            cause: not_empty(event.cause.as_str().to_owned()),
            at_ms: event.at.as_millis(),
        }
    }
}

/// The transitions of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderEventsView {
    /// By ascending version.
    pub events: Vec<OrderEventView>,
}

impl From<&[OrderEvent]> for OrderEventsView {
    fn from(events: &[OrderEvent]) -> Self {
        Self { events: events.iter().map(OrderEventView::from).collect() }
    }
}
