//! An order of the order store on the wire. The only place that converts orders.

use flashgate_domain::{CancelReason, Intent, Order, OrderState, Timestamp};

use crate::{
    body::{self, BodyError},
    v1,
};

/// Encodes `order`.
pub fn order_message(order: &Order) -> v1::Order {
    let Order { id, intent, state, batch, created_at } = order;
    v1::Order {
        order_id: id.to_string(),
        sale_id: intent.sale().get(),
        buyer_id: intent.buyer().as_str().to_owned(),
        idempotency_key: intent.key().as_str().to_owned(),
        quantity: intent.quantity().get(),
        state: state.as_str().to_owned(),
        cancel_reason: state.reason().map_or("", CancelReason::as_str).to_owned(),
        batch_id: batch.to_string(),
        created_at_ms: created_at.as_millis(),
    }
}

/// Decodes an order.
///
/// # Errors
/// The first invalid field.
pub fn order(message: v1::Order) -> Result<Order, BodyError> {
    let v1::Order {
        order_id,
        sale_id,
        buyer_id,
        idempotency_key,
        quantity,
        state,
        cancel_reason,
        batch_id,
        created_at_ms,
    } = message;
    let wrong = |field| BodyError::WrongField { field };
    let intent: Intent = body::intent(v1::BatchIntent { sale_id, buyer_id, idempotency_key, quantity })?;
    let reason = match cancel_reason.as_str() {
        "" => None,
        reason => Some(CancelReason::parse(reason).ok_or(wrong("cancel_reason"))?),
    };
    Ok(Order {
        id: order_id.parse().map_err(|_invalid| wrong("order_id"))?,
        intent,
        state: OrderState::from_parts(&state, reason).ok_or(wrong("state"))?,
        batch: batch_id.parse().map_err(|_invalid| wrong("batch_id"))?,
        created_at: Timestamp::from_millis(created_at_ms),
    })
}
