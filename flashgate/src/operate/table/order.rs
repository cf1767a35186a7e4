//! Orders.

use flashgate_operations::view::{
    OrderEventView, OrderEventsView, OrderView, StoredOrderView, StoredOrdersView,
};

use super::{fields, table};
use crate::operate::moment::show;

type Row = (&'static str, String);

/// An order as its buyer sees it.
pub(crate) fn order(order: &OrderView) -> String {
    fields(rows(order))
}

/// All of an order.
pub(crate) fn stored_order(stored: &StoredOrderView) -> String {
    let StoredOrderView { order, buyer_id, idempotency_key, batch_id, created_at_ms } = stored;
    let further = [
        ("buyer", buyer_id.clone()),
        ("idempotency key", idempotency_key.clone()),
        ("batch", batch_id.clone()),
        ("created", show(*created_at_ms)),
    ];
    fields(rows(order).into_iter().chain(further))
}

/// One line an order.
pub(crate) fn stored_orders(page: &StoredOrdersView) -> String {
    let row = |stored: &StoredOrderView| {
        let StoredOrderView { order, created_at_ms, .. } = stored;
        [
            order.order_id.clone(),
            order.sale_id.clone(),
            order.quantity.to_string(),
            order.state.clone(),
            order.cancel_reason.clone().unwrap_or_default(),
            show(*created_at_ms),
        ]
    };
    let columns = ["ORDER", "SALE", "QUANTITY", "STATE", "CANCELLED FOR", "CREATED"];
    table(columns, &[2], page.orders.iter().map(row))
}

fn rows(order: &OrderView) -> Vec<Row> {
    let OrderView { order_id, sale_id, quantity, state, cancel_reason, version: _, pay_by_ms } = order;
    let mut rows = vec![
        ("order", order_id.clone()),
        ("sale", sale_id.clone()),
        ("quantity", quantity.to_string()),
        ("state", state.clone()),
    ];
    rows.extend(cancel_reason.clone().map(|reason| ("cancelled for", reason)));
    rows.extend(pay_by_ms.map(|pay_by| ("to be paid by", show(pay_by))));
    rows
}

/// One line a transition.
pub(crate) fn events(events: &OrderEventsView) -> String {
    let row = |event: &OrderEventView| {
        [
            event.version.to_string(),
            show(event.at_ms),
            event.from.to_owned(),
            event.to.to_owned(),
            event.cancel_reason.unwrap_or_default().to_owned(),
            event.actor.clone(),
            event.cause.clone().unwrap_or_default(),
        ]
    };
    let columns = ["VERSION", "AT", "FROM", "TO", "CANCELLED FOR", "BY", "REASON"];
    table(columns, &[0], events.events.iter().map(row))
}
