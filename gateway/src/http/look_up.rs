//! `GET /v1/orders/{order_id}` and `GET /v1/sales/{sale_id}`

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use flashgate_domain::{CancelReason, Refusal, SaleId};
use flashgate_proto::sale::SaleTerms;
use flashgate_service::{
    answer::Failure,
    openapi::{Buyer, Everywhere, Id, Problem},
};
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, fields};
use crate::{catalogue::Entry, orders::OrderView};

/// How an order stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderBody {
    /// A decimal number, as a string.
    #[schema(value_type = Id)]
    pub order_id: String,
    /// A decimal number, as a string.
    #[schema(value_type = Id)]
    pub sale_id: String,
    /// How many units.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: u32,
    /// `pending`, `confirmed`, `paid`, `shipped`, `finished`, `cancelled`, `refunding` or `refunded`.
    #[schema(pattern = "^(pending|confirmed|paid|shipped|finished|cancelled|refunding|refunded)$")]
    pub state: &'static str,
    /// Why it was cancelled, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cancel_reason: Option<&'static str>,
}

impl From<OrderView> for OrderBody {
    fn from(order: OrderView) -> Self {
        Self {
            order_id: order.id.to_string(),
            sale_id: order.sale.to_string(),
            quantity: order.quantity,
            state: order.state.as_str(),
            cancel_reason: order.state.reason().map(CancelReason::as_str),
        }
    }
}

/// A sale, as buyers see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaleBody {
    /// A decimal number, as a string.
    #[schema(value_type = Id)]
    pub sale_id: String,
    /// What its operator set.
    #[serde(flatten)]
    pub terms: SaleTerms,
    /// `preheating`, `preheated` or `closed`.
    #[schema(pattern = "^(preheating|preheated|closed)$")]
    pub state: &'static str,
    /// Whether it is stopped until an operator has repaired it.
    pub paused: bool,
    /// Whether this gateway knows that no unit is left.
    pub sold_out: bool,
}

impl From<&Entry> for SaleBody {
    fn from(entry: &Entry) -> Self {
        let sale = &entry.sale;
        Self {
            sale_id: sale.id.to_string(),
            terms: SaleTerms::from(&sale.draft),
            state: sale.state.as_str(),
            paused: entry.paused(),
            sold_out: entry.sold_out_epoch().is_some(),
        }
    }
}

/// How an order stands
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}",
    operation_id = "getOrder",
    params(
        ("order_id" = inline(Id), Path, description = "A decimal number from 1 to 2^63 - 1"),
        ("X-Buyer-Id" = inline(Buyer), Header, description = "The buyer, with auth.mode = trusted-header: 1 to 128 visible ASCII characters, once"),
    ),
    responses(
        (status = 200, description = "The order", body = OrderBody),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`order_not_found`: there is none, or it is someone else's", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`ledger_unavailable` or `worker_unavailable`", body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "Seconds until it may be asked again"))),
        Everywhere,
    )
)]
pub(crate) async fn order(
    State(api): State<Arc<Api>>,
    order_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Json<OrderBody>, Failure> {
    let buyer = api.auth.buyer(&headers)?;
    let Path(order_id) = order_id.map_err(|rejection| Failure::malformed("order_id", rejection))?;
    let order = api.orders.find(fields::id("order_id", &order_id)?, &buyer).await?;
    Ok(Json(order.into()))
}

/// A sale
#[utoipa::path(
    get,
    path = "/v1/sales/{sale_id}",
    operation_id = "getSale",
    params(("sale_id" = inline(Id), Path, description = "A decimal number from 1 to 2^63 - 1")),
    responses(
        (status = 200, description = "The sale", body = SaleBody),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`sale_not_found`", body = Problem, content_type = "application/problem+json"),
        Everywhere,
    )
)]
pub(crate) async fn sale(
    State(api): State<Arc<Api>>,
    sale_id: Result<Path<String>, PathRejection>,
) -> Result<Json<SaleBody>, Failure> {
    let Path(sale_id) = sale_id.map_err(|rejection| Failure::malformed("sale_id", rejection))?;
    let sale_id: SaleId = fields::id("sale_id", &sale_id)?;
    let entry = api.catalogue.get(sale_id).ok_or(Refusal::SaleNotFound)?;
    Ok(Json(SaleBody::from(&*entry)))
}
