//! Sales and orders, for people and for programs.

use comfy_table::{CellAlignment, Table, presets};
use flashgate_proto::v1;
use serde::Serialize;

use super::{moment::show, money::money};

/// A sale. Ids are strings, as in every JSON of flashgate: numbers above 2^53 do not survive every reader.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SaleView {
    id: String,
    title: String,
    price_minor: u64,
    currency: String,
    opens_at_ms: u64,
    closes_at_ms: u64,
    stock: u64,
    limit_per_buyer: u32,
    quantity_max: u32,
    deduct_policy: String,
    pub(super) state: String,
    generation: u32,
    saleable: u64,
    restocked: u64,
    returned: u64,
}

impl From<v1::Sale> for SaleView {
    fn from(sale: v1::Sale) -> Self {
        Self {
            id: sale.id.to_string(),
            title: sale.title,
            price_minor: sale.price_minor,
            currency: sale.currency,
            opens_at_ms: sale.opens_at_ms,
            closes_at_ms: sale.closes_at_ms,
            stock: sale.stock,
            limit_per_buyer: sale.limit_per_buyer,
            quantity_max: sale.quantity_max,
            deduct_policy: sale.deduct_policy,
            state: sale.state,
            generation: sale.generation,
            saleable: sale.saleable,
            restocked: sale.restocked,
            returned: sale.returned,
        }
    }
}

impl SaleView {
    /// Everything about one sale.
    pub(super) fn table(&self) -> String {
        fields(&[
            ("sale", self.id.clone()),
            ("title", self.title.clone()),
            ("state", self.state.clone()),
            ("price", money(self.price_minor, &self.currency)),
            ("opens", show(self.opens_at_ms)),
            ("closes", show(self.closes_at_ms)),
            ("limit per buyer", self.limit_per_buyer.to_string()),
            ("limit per request", self.quantity_max.to_string()),
            ("stock at the start", self.stock.to_string()),
            ("left in the database", self.saleable.to_string()),
            ("restocked", self.restocked.to_string()),
            ("returned", self.returned.to_string()),
            ("deduct policy", self.deduct_policy.clone()),
            ("generation", self.generation.to_string()),
        ])
    }

    /// One line a sale.
    pub(super) fn list(sales: &[Self]) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["SALE", "STATE", "STOCK", "LEFT", "OPENS", "CLOSES", "TITLE"]);
        for sale in sales {
            table.add_row([
                sale.id.clone(),
                sale.state.clone(),
                sale.stock.to_string(),
                sale.saleable.to_string(),
                show(sale.opens_at_ms),
                show(sale.closes_at_ms),
                sale.title.clone(),
            ]);
        }
        for number in [0, 2, 3] {
            if let Some(column) = table.column_mut(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.trim_fmt()
    }
}

/// An order. The gateway tells less of it than the operator's interface.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OrderView {
    id: String,
    sale_id: String,
    quantity: u32,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buyer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at_ms: Option<u64>,
}

fn not_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl From<v1::Order> for OrderView {
    fn from(order: v1::Order) -> Self {
        Self {
            id: order.id,
            sale_id: order.sale_id.to_string(),
            quantity: order.quantity,
            state: order.state,
            cancel_reason: not_empty(order.cancel_reason),
            buyer_id: Some(order.buyer_id),
            idempotency_key: Some(order.idempotency_key),
            batch_id: Some(order.batch_id),
            created_at_ms: Some(order.created_at_ms),
        }
    }
}

impl From<v1::GetOrderResponse> for OrderView {
    fn from(order: v1::GetOrderResponse) -> Self {
        Self {
            id: order.order_id,
            sale_id: order.sale_id.to_string(),
            quantity: order.quantity,
            state: order.state,
            cancel_reason: not_empty(order.cancel_reason),
            buyer_id: None,
            idempotency_key: None,
            batch_id: None,
            created_at_ms: None,
        }
    }
}

impl OrderView {
    pub(super) fn table(&self) -> String {
        let mut rows = vec![
            ("order", self.id.clone()),
            ("sale", self.sale_id.clone()),
            ("quantity", self.quantity.to_string()),
            ("state", self.state.clone()),
        ];
        let further = [
            ("cancelled for", self.cancel_reason.clone()),
            ("buyer", self.buyer_id.clone()),
            ("idempotency key", self.idempotency_key.clone()),
            ("batch", self.batch_id.clone()),
            ("created", self.created_at_ms.map(show)),
        ];
        rows.extend(further.into_iter().filter_map(|(name, value)| Some((name, value?))));
        fields(&rows)
    }
}

/// One line a field.
pub(super) fn fields(rows: &[(&str, String)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in rows {
        table.add_row([*name, value]);
    }
    table.trim_fmt()
}
