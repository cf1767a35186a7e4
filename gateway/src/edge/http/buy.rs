//! `POST /v1/sales/{sale_id}/orders`

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use flashgate_domain::{OrderId, Verdict, verdict::Violation};
use flashgate_service::{
    body,
    error::{ApiError, REFUSALS},
    openapi::{Everywhere, Id, Key, errors},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::{
    IntoParams, IntoResponses, ToSchema,
    openapi::{self, RefOr},
};

use super::fields::{self, BuyerHeader};
use crate::{
    buy::purchase::Buy,
    config::BODY_BYTES_MAX,
    edge::{api::Api, trace::trace_context},
};

const REPLAYED_HEADER: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer to a purchase that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// A decimal number, as a string: it is larger than what JavaScript's numbers hold.
    #[schema(value_type = Id)]
    pub order_id: String,
    /// `accepted`: it survives the loss of any one part, and is confirmed or cancelled moments later.
    #[schema(pattern = "^accepted$", example = "accepted")]
    pub status: &'static str,
}

/// The errors of a purchase.
struct Errors;

impl IntoResponses for Errors {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let others = [
            ApiError::OutcomeUnknown,
            ApiError::Unauthenticated(Violation::new("{field}", "{expected}")),
            ApiError::BodyTimeout,
            ApiError::BodyTooLarge { bytes_max: BODY_BYTES_MAX },
            ApiError::UnsupportedMediaType,
        ];
        errors(REFUSALS, &others)
    }
}

/// See [`trace_context`].
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
struct TraceContextHeaders {
    /// A W3C trace context: if it is sampled, the messages of the order carry it. An invalid one is ignored.
    #[param(required = false)]
    traceparent: String,
    /// The state of that trace.
    #[param(required = false)]
    tracestate: String,
}

/// Buy units of a sale
///
/// Accepted means that the order survives the loss of any one part. It is confirmed, or cancelled with a reason,
/// moments later. The same key always leads to the same order, however often it is sent.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale_id}/orders",
    operation_id = "buy",
    tag = "orders",
    params(
        ("sale_id" = inline(Id), Path, description = "The sale: a decimal number from 1 to 2^63 - 1"),
        ("Idempotency-Key" = inline(Key), Header, description = "Names this purchase: 1 to 255 visible ASCII characters, once"),
        BuyerHeader,
        TraceContextHeaders,
    ),
    request_body = super::BuyBody,
    responses(
        (status = 202, description = "Accepted now, or by an earlier request with the same key (then with `Idempotency-Replayed: true`)", body = Accepted,
            headers(("Location" = String, description = "Where the order is"), ("Idempotency-Replayed" = String, description = "`true` if the order had been accepted before"))),
        Errors,
        Everywhere,
    )
)]
pub(crate) async fn buy(
    State(api): State<Arc<Api>>,
    sale_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // The request is taken whole: an extractor for the headers would copy them.
    let (head, body) = request.into_parts();
    let buy = match decode(&api, sale_id, &head.headers, body).await {
        Ok(buy) => buy,
        Err(error) => return error.into_response(),
    };
    match api.purchase.buy(buy).await {
        Verdict::Accepted(order) => accepted(order, false),
        Verdict::Replayed(order) => accepted(order, true),
        Verdict::Refused(refusal) => ApiError::from(refusal).into_response(),
        Verdict::Unknown => ApiError::OutcomeUnknown.into_response(),
    }
}

async fn decode(
    api: &Api,
    sale_id: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Buy, ApiError> {
    let buyer = api.auth.buyer(headers)?;
    let key = fields::idempotency_key(headers)?;
    let Path(sale_id) = sale_id.map_err(|rejection| ApiError::malformed("sale_id", rejection))?;
    let sale = fields::id("sale_id", &sale_id)?;
    body::expect_json(headers)?;
    let quantity = fields::quantity(&body::read(body, api.body_limits).await?)?;
    Ok(Buy { sale, buyer, key, quantity, trace: trace_context(headers) })
}

fn accepted(order: OrderId, replayed: bool) -> Response {
    let order_id = order.to_string();
    let location = HeaderValue::try_from(format!("/v1/orders/{order_id}"));
    // Two strings cannot fail to serialize.
    let body = serde_json::to_vec(&Accepted { order_id, status: "accepted" }).unwrap_or_default();
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(location) = location {
        headers.insert(header::LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
    }
    response
}
