//! `POST /v1/orders/{order_id}/payment`

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use flashgate_domain::{OrderState, OrderStep, Payment, Refusal, Timestamp, Unpayable, verdict::Violation};
use flashgate_service::{
    error::ApiError,
    openapi::{Everywhere, Id, errors},
};
use http::HeaderMap;
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{RefOr, Response},
};

use super::{fields::BuyerHeader, look_up::buyer_and_order};
use crate::edge::api::Api;

/// What the buyer needs to pay an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentBody {
    /// The payment attempt: the order id, a hyphen, and a number from 1.
    #[schema(pattern = "^[1-9][0-9]{0,18}-[1-9][0-9]{0,9}$")]
    pub attempt_id: String,
    /// The amount to be paid, in the currency's minor unit.
    #[schema(minimum = 1)]
    pub amount_minor: u64,
    /// ISO 4217 code.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// `open`: it can be paid.
    #[schema(pattern = "^open$")]
    pub state: &'static str,
    /// The page of the payment provider on which the buyer pays.
    #[schema(format = "uri")]
    pub pay_url: String,
    /// When the order is cancelled unless it is paid, in milliseconds since 1970-01-01T00:00:00Z. Missing if it has no
    /// payment deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pay_by_ms: Option<u64>,
}

impl From<Payment> for PaymentBody {
    fn from(payment: Payment) -> Self {
        let Payment { attempt, due, state, pay_url, pay_by } = payment;
        Self {
            attempt_id: attempt.to_string(),
            amount_minor: due.minor(),
            currency: due.currency().to_string(),
            state: state.as_str(),
            pay_url,
            pay_by_ms: pay_by.map(Timestamp::as_millis),
        }
    }
}

/// The errors of a payment.
struct PayErrors;

impl IntoResponses for PayErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let fixed = [
            ApiError::malformed("{field}", "{expected}"),
            ApiError::Unauthenticated(Violation::new("{field}", "{expected}")),
            ApiError::OrderNotFound,
            ApiError::OrderStateConflict { state: OrderState::Paid, step: OrderStep::Pay },
            ApiError::OrderPending,
            ApiError::Refused(Refusal::LedgerUnavailable),
            ApiError::WorkerUnavailable,
        ];
        let all: Vec<ApiError> = fixed.into_iter().chain(Unpayable::ALL.map(ApiError::Unpayable)).collect();
        errors(&[], &all)
    }
}

/// Get what is needed to pay a confirmed order
///
/// Opens a payment attempt, or returns the open one: an order has at most one. Repeatable, and always answered with 200,
/// since a caller whose answer was lost cannot tell which of both a repetition will be. Once the payment provider has
/// reported the payment, the order is `paid`.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/payment",
    operation_id = "openPayment",
    tag = "orders",
    params(
        ("order_id" = inline(Id), Path, description = "A decimal number from 1 to 2^63 - 1"),
        BuyerHeader,
    ),
    responses(
        (status = 200, description = "The open payment attempt", body = PaymentBody),
        PayErrors,
        Everywhere,
    )
)]
pub(crate) async fn pay(
    State(api): State<Arc<Api>>,
    order_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Json<PaymentBody>, ApiError> {
    let (buyer, order) = buyer_and_order(&api, &headers, order_id)?;
    Ok(Json(api.orders.pay(order, &buyer).await?.into()))
}
