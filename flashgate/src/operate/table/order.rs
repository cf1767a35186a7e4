//! Orders.

use flashgate_operations::view::{OrderView, StoredOrderView};

use super::fields;
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

fn rows(order: &OrderView) -> Vec<Row> {
    let OrderView { order_id, sale_id, quantity, state, cancel_reason } = order;
    let mut rows = vec![
        ("order", order_id.clone()),
        ("sale", sale_id.clone()),
        ("quantity", quantity.to_string()),
        ("state", state.clone()),
    ];
    rows.extend(cancel_reason.clone().map(|reason| ("cancelled for", reason)));
    rows
}
