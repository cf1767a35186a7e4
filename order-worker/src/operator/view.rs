//! Sales and orders as the operator's HTTP shows them.

use flashgate_domain::{CancelReason, Sale};
use flashgate_order_store::StoredOrder;
use flashgate_service::openapi::{Buyer, Id, Key};
use serde::Serialize;
use utoipa::ToSchema;

/// A sale. Its id is a string, as every id in JSON: numbers above 2^53 do not survive every reader.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SaleView {
    #[schema(value_type = Id)]
    sale_id: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// The price of one unit in the currency's minor unit.
    price_minor: u64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    opens_at_ms: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    closes_at_ms: u64,
    /// Units at the start.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    stock: u64,
    /// Units that one buyer can hold.
    #[schema(minimum = 1, maximum = 1_000_000)]
    limit_per_buyer: u32,
    /// Units that one request can ask for.
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity_max: u32,
    /// When the units leave the order store.
    #[schema(pattern = "^(at_order|at_payment)$")]
    deduct_policy: &'static str,
    /// `created`, `preheating`, `preheated` or `closed`.
    #[schema(pattern = "^(created|preheating|preheated|closed)$")]
    state: &'static str,
    /// How often its ledger was built: 1 and up once it was preheated.
    generation: u32,
    /// Units that the order store has left.
    saleable: u64,
    /// Units that were added later.
    restocked: u64,
    /// Units that came back from cancelled orders.
    returned: u64,
}

impl From<&Sale> for SaleView {
    fn from(sale: &Sale) -> Self {
        let draft = &sale.draft;
        Self {
            sale_id: sale.id.to_string(),
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
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SalesView {
    sales: Vec<SaleView>,
}

impl From<&[Sale]> for SalesView {
    fn from(sales: &[Sale]) -> Self {
        Self { sales: sales.iter().map(SaleView::from).collect() }
    }
}

/// An order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderView {
    #[schema(value_type = Id)]
    order_id: String,
    #[schema(value_type = Id)]
    sale_id: String,
    #[schema(value_type = Buyer)]
    buyer_id: String,
    #[schema(value_type = Key)]
    idempotency_key: String,
    /// How many units.
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: u32,
    /// `confirmed`, `paid`, `shipped`, `finished`, `cancelled`, `refunding` or `refunded`.
    #[schema(pattern = "^(confirmed|paid|shipped|finished|cancelled|refunding|refunded)$")]
    state: &'static str,
    /// Why it was cancelled, if it was.
    #[schema(nullable)]
    cancel_reason: Option<&'static str>,
    /// 32 hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    batch_id: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    created_at_ms: u64,
}

impl From<&StoredOrder> for OrderView {
    fn from(order: &StoredOrder) -> Self {
        Self {
            order_id: order.id.to_string(),
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
