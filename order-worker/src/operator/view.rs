//! Sales and orders as the operator's HTTP shows them.

use flashgate_domain::{CancelReason, Sale};
use serde::Serialize;

use crate::store::StoredOrder;

/// A sale. Its id is a string, as every id in JSON: numbers above 2^53 do not survive every reader.
#[derive(Clone, Debug, Serialize)]
pub struct SaleView {
    id: String,
    title: String,
    price_minor: u64,
    currency: String,
    opens_at_ms: u64,
    closes_at_ms: u64,
    stock: u64,
    limit_per_buyer: u32,
    quantity_max: u32,
    deduct_policy: &'static str,
    state: &'static str,
    generation: u32,
    saleable: u64,
    restocked: u64,
    returned: u64,
}

impl From<&Sale> for SaleView {
    fn from(sale: &Sale) -> Self {
        let draft = &sale.draft;
        Self {
            id: sale.id.to_string(),
            title: draft.title().to_owned(),
            price_minor: draft.price_minor(),
            currency: draft.currency().to_owned(),
            opens_at_ms: draft.window().opens_at().as_millis(),
            closes_at_ms: draft.window().closes_at().as_millis(),
            stock: draft.stock(),
            limit_per_buyer: draft.limit_per_buyer().get(),
            quantity_max: draft.quantity_max().get(),
            deduct_policy: draft.policy().as_str(),
            state: sale.state.as_str(),
            generation: sale.generation,
            saleable: sale.saleable,
            restocked: sale.restocked,
            returned: sale.returned,
        }
    }
}

/// A page of sales.
#[derive(Clone, Debug, Serialize)]
pub struct SalesView {
    sales: Vec<SaleView>,
}

impl From<&[Sale]> for SalesView {
    fn from(sales: &[Sale]) -> Self {
        Self { sales: sales.iter().map(SaleView::from).collect() }
    }
}

/// An order.
#[derive(Clone, Debug, Serialize)]
pub struct OrderView {
    id: String,
    sale_id: String,
    buyer_id: String,
    idempotency_key: String,
    quantity: u32,
    state: &'static str,
    cancel_reason: Option<&'static str>,
    batch_id: String,
    created_at_ms: u64,
}

impl From<&StoredOrder> for OrderView {
    fn from(order: &StoredOrder) -> Self {
        Self {
            id: order.id.to_string(),
            sale_id: order.intent.sale().to_string(),
            buyer_id: order.intent.buyer().as_str().to_owned(),
            idempotency_key: order.intent.key().as_str().to_owned(),
            quantity: order.intent.quantity().get(),
            state: order.state.as_str(),
            cancel_reason: order.state.reason().map(CancelReason::as_str),
            batch_id: order.batch.to_string(),
            created_at_ms: order.created_at.as_millis(),
        }
    }
}
