//! Payments of orders over HTTP: decodes and encodes; decides nothing.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    routing::{get, post},
};
use flashgate_domain::{RefundRetry, Unpayable, id::InvalidId};
use flashgate_operations::view::{PaymentsView, RefundView};
use flashgate_service::{
    body::{self, BodyLimits},
    error::ApiError,
    openapi::{Everywhere, Id, Problem, StoreDown, errors},
};
use http::HeaderMap;
use utoipa::{
    IntoResponses,
    openapi::{RefOr, Response as ResponseSchema},
};

use super::{
    form::{self, StepForm},
    http::{PathText, order_id},
    orders::refund_key,
};
use crate::payments::Payments;

/// The routes, without a fallback.
pub(super) fn routes(payments: Arc<Payments>, body_limits: BodyLimits) -> Router {
    Router::new()
        .route("/v1/orders/{order_id}/payments", get(list))
        .route("/v1/orders/{order_id}/refunds/{refund_id}/retry", post(retry))
        .with_state(Desk { payments, body_limits })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
}

#[derive(Clone)]
pub(crate) struct Desk {
    payments: Arc<Payments>,
    body_limits: BodyLimits,
}

/// The errors of a retry of a refund.
struct RetryErrors;

impl IntoResponses for RetryErrors {
    fn responses() -> BTreeMap<String, RefOr<ResponseSchema>> {
        let all = [
            ApiError::malformed("{field}", "{expected}"),
            ApiError::RefundNotFound,
            ApiError::BodyTimeout,
            ApiError::RefundNotOwed,
            ApiError::Unpayable(Unpayable::Off),
            ApiError::BodyTooLarge { bytes_max: 16 * 1024 },
            ApiError::UnsupportedMediaType,
        ];
        errors(&[], &all)
    }
}

/// The payment attempts and the refunds of an order
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}/payments",
    operation_id = "listPayments",
    params(("order_id" = inline(Id), Path, description = "The order")),
    responses(
        (status = 200, description = "The attempts by ascending number, and the refunds by ascending attempt and number", body = PaymentsView),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`order_not_found`: it was not placed, or not yet", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn list(State(desk): State<Desk>, order: PathText) -> Result<Json<PaymentsView>, ApiError> {
    let (attempts, refunds) = desk.payments.list(order_id(order)?).await?;
    Ok(Json(PaymentsView::new(&attempts, &refunds)))
}

/// Make another refund for one that failed or was cancelled
///
/// The same amount and cause, with an id of its own. Repeatable: if a refund of the same attempt and cause is in progress or
/// has succeeded, that one is returned and nothing changes.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/refunds/{refund_id}/retry",
    operation_id = "retryRefund",
    params(
        ("order_id" = inline(Id), Path, description = "The order"),
        ("refund_id" = String, Path, description = "The refund that failed or was cancelled", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]{1,64}$"),
    ),
    request_body = StepForm,
    responses(
        (status = 200, description = "The refund that covers the money", body = RefundView),
        RetryErrors,
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn retry(
    State(desk): State<Desk>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RefundView>, ApiError> {
    body::expect_json(&headers)?;
    let body = body::read(body, desk.body_limits).await?;
    let (operator, cause) = form::operator_and_cause(&body)?;
    let by = RefundRetry { operator, cause };
    // axum refuses a path that is not UTF-8.
    let Ok(Path((order, refund))) = path else {
        return Err(ApiError::malformed("order_id", InvalidId::NotANumber));
    };
    let (order, refund) = (order_id(Ok(Path(order)))?, refund_key(&refund)?);
    if refund.attempt.order != order {
        return Err(ApiError::RefundNotFound);
    }
    Ok(Json(RefundView::from(&desk.payments.retry(refund, &by).await?)))
}
