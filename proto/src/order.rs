//! An order of the order store on the wire. The only place that converts orders.

use flashgate_domain::{BuyerId, Order, OrderPage, OrderState, SaleId, Timestamp};

use crate::{
    body::{self, BodyError},
    v1,
};

/// Encodes `order`.
pub fn order_message(order: &Order) -> v1::Order {
    let Order { id, intent, state, version, batch, created_at, pay_by } = order;
    v1::Order {
        order_id: id.to_string(),
        sale_id: intent.sale().get(),
        buyer_id: intent.buyer().as_str().to_owned(),
        idempotency_key: intent.key().as_str().to_owned(),
        quantity: intent.quantity().get(),
        state: state.as_str().to_owned(),
        cancel_reason: body::reason_name(*state),
        batch_id: batch.to_string(),
        created_at_ms: created_at.as_millis(),
        version: *version,
        pay_by_ms: pay_by.map(Timestamp::as_millis),
    }
}

/// The request of a page of a buyer's orders.
pub fn page_request(buyer: &BuyerId, page: OrderPage) -> v1::ListStoredOrdersRequest {
    v1::ListStoredOrdersRequest {
        buyer_id: buyer.as_str().to_owned(),
        before_id: page.before.map(|before| before.to_string()).unwrap_or_default(),
        page_size: page.size,
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
        state: name,
        cancel_reason,
        batch_id,
        created_at_ms,
        version,
        pay_by_ms,
    } = message;
    Ok(Order {
        intent: body::intent(v1::BatchIntent { sale_id, buyer_id, idempotency_key, quantity })?,
        id: order_id.parse().map_err(|_invalid| BodyError::of("order_id"))?,
        state: state(&name, &cancel_reason)?,
        version,
        batch: batch_id.parse().map_err(|_invalid| BodyError::of("batch_id"))?,
        created_at: Timestamp::from_millis(created_at_ms),
        pay_by: pay_by_ms.map(Timestamp::from_millis),
    })
}

/// Decodes the state of an order from its name and the reason of its cancellation.
pub fn state(name: &str, cancel_reason: &str) -> Result<OrderState, BodyError> {
    OrderState::from_parts(name, body::cancel_reason(cancel_reason)?).ok_or(BodyError::of("state"))
}

/// Encodes what an audit compares of an order.
pub fn mark_message(sale: SaleId, quantity: u32, state: OrderState) -> v1::OrderMark {
    let (name, cancel_reason) = (state.as_str().to_owned(), body::reason_name(state));
    v1::OrderMark { sale_id: sale.get(), quantity, state: name, cancel_reason }
}
