//! `GET /v1/orders`, `GET /v1/orders/{order_id}`, `POST /v1/orders/{order_id}/cancel` and `GET /v1/sales/{sale_id}`

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
};
use flashgate_domain::{
    BuyerId, CancelReason, OrderId, OrderState, OrderStep, Refusal, SaleId, Timestamp, verdict::Violation,
};
use flashgate_proto::sale::SaleTerms;
use flashgate_service::{
    error::ApiError,
    openapi::{Everywhere, Id, errors},
    order_page,
};
use http::HeaderMap;
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{RefOr, Response},
};

use super::fields::{self, BuyerHeader};
use crate::{buy::orders::OrderView, edge::api::Api, sales::catalogue::Entry};

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
    /// Greater with every transition: of two answers, the one with the greater version is newer. 0 while pending.
    pub version: u32,
    /// When it is cancelled unless it is paid, in milliseconds since 1970-01-01T00:00:00Z. Missing while it is pending, and
    /// if it has no payment deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pay_by_ms: Option<u64>,
}

impl From<OrderView> for OrderBody {
    fn from(order: OrderView) -> Self {
        Self {
            order_id: order.id.to_string(),
            sale_id: order.sale.to_string(),
            quantity: order.quantity,
            state: order.state.as_str(),
            cancel_reason: order.state.reason().map(CancelReason::as_str),
            version: order.version,
            pay_by_ms: order.pay_by.map(Timestamp::as_millis),
        }
    }
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrdersBody {
    /// By descending id, which is newest first. Fewer than `page_size` on the last page.
    pub orders: Vec<OrderBody>,
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

/// The errors of an order look-up.
struct OrderErrors;

impl IntoResponses for OrderErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let all = [
            ApiError::malformed("{field}", "{expected}"),
            ApiError::Unauthenticated(Violation::new("{field}", "{expected}")),
            ApiError::OrderNotFound,
            ApiError::Refused(Refusal::LedgerUnavailable),
            ApiError::WorkerUnavailable,
        ];
        errors(&[], &all)
    }
}

/// The errors of a list of orders.
struct ListErrors;

impl IntoResponses for ListErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let all = [
            ApiError::malformed("{field}", "{expected}"),
            ApiError::Unauthenticated(Violation::new("{field}", "{expected}")),
            ApiError::WorkerUnavailable,
        ];
        errors(&[], &all)
    }
}

/// The errors of a cancellation.
struct CancelErrors;

impl IntoResponses for CancelErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let all = [
            ApiError::malformed("{field}", "{expected}"),
            ApiError::Unauthenticated(Violation::new("{field}", "{expected}")),
            ApiError::OrderNotFound,
            ApiError::OrderStateConflict { state: OrderState::Paid, step: OrderStep::Cancel },
            ApiError::OrderPending,
            ApiError::Refused(Refusal::LedgerUnavailable),
            ApiError::WorkerUnavailable,
        ];
        errors(&[], &all)
    }
}

/// The errors of a sale look-up.
struct SaleErrors;

impl IntoResponses for SaleErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        errors(&[], &[ApiError::malformed("{field}", "{expected}"), Refusal::SaleNotFound.into()])
    }
}

/// How an order stands
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}",
    operation_id = "getOrder",
    tag = "orders",
    params(
        ("order_id" = inline(Id), Path, description = "A decimal number from 1 to 2^63 - 1"),
        BuyerHeader,
    ),
    responses(
        (status = 200, description = "The order", body = OrderBody),
        OrderErrors,
        Everywhere,
    )
)]
pub(crate) async fn order(
    State(api): State<Arc<Api>>,
    order_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Json<OrderBody>, ApiError> {
    let (buyer, order) = buyer_and_order(&api, &headers, order_id)?;
    Ok(Json(api.orders.find(order, &buyer).await?.into()))
}

/// The buyer's orders, the newest first
///
/// An order is listed once it is decided, some milliseconds after it was accepted. The page after one has the `before_id` of
/// its last order.
#[utoipa::path(
    get,
    path = "/v1/orders",
    operation_id = "listOrders",
    tag = "orders",
    params(
        order_page::Parameters,
        BuyerHeader,
    ),
    responses(
        (status = 200, description = "The orders", body = OrdersBody),
        ListErrors,
        Everywhere,
    )
)]
pub(crate) async fn orders(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<OrdersBody>, ApiError> {
    let buyer = api.auth.buyer(&headers)?;
    let page = order_page::from_query(query.as_deref(), |_name, _value| Ok(false))?;
    let orders = api.orders.list(&buyer, page).await?;
    Ok(Json(OrdersBody { orders: orders.into_iter().map(OrderBody::from).collect() }))
}

/// Cancel an order before it is paid
///
/// Its units are on sale again, and the buyer may buy again with another key. Repeatable: an order that is cancelled
/// stays as it is.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/cancel",
    operation_id = "cancelOrder",
    tag = "orders",
    params(
        ("order_id" = inline(Id), Path, description = "A decimal number from 1 to 2^63 - 1"),
        BuyerHeader,
    ),
    responses(
        (status = 200, description = "The order, cancelled now or before", body = OrderBody),
        CancelErrors,
        Everywhere,
    )
)]
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    order_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Json<OrderBody>, ApiError> {
    let (buyer, order) = buyer_and_order(&api, &headers, order_id)?;
    Ok(Json(api.orders.cancel(order, &buyer).await?.into()))
}

pub(super) fn buyer_and_order(
    api: &Api,
    headers: &HeaderMap,
    order_id: Result<Path<String>, PathRejection>,
) -> Result<(BuyerId, OrderId), ApiError> {
    let buyer = api.auth.buyer(headers)?;
    let Path(order_id) = order_id.map_err(|rejection| ApiError::malformed("order_id", rejection))?;
    Ok((buyer, fields::id("order_id", &order_id)?))
}

/// A sale
#[utoipa::path(
    get,
    path = "/v1/sales/{sale_id}",
    operation_id = "getSale",
    tag = "sales",
    params(("sale_id" = inline(Id), Path, description = "A decimal number from 1 to 2^63 - 1")),
    responses(
        (status = 200, description = "The sale", body = SaleBody),
        SaleErrors,
        Everywhere,
    )
)]
pub(crate) async fn sale(
    State(api): State<Arc<Api>>,
    sale_id: Result<Path<String>, PathRejection>,
) -> Result<Json<SaleBody>, ApiError> {
    let Path(sale_id) = sale_id.map_err(|rejection| ApiError::malformed("sale_id", rejection))?;
    let sale_id: SaleId = fields::id("sale_id", &sale_id)?;
    let entry = api.catalogue.get(sale_id).ok_or(Refusal::SaleNotFound)?;
    Ok(Json(SaleBody::from(&*entry)))
}
