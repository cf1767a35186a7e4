//! `POST /v1/sales/{sale_id}/orders`

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use flashgate_domain::{OrderId, Verdict};
use flashgate_service::{
    answer::Failure,
    body,
    openapi::{Buyer, Everywhere, Id, Key, Problem},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::fields;
use crate::{buy::purchase::Buy, edge::api::Api};

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

/// Buy units of a sale
///
/// Accepted means that the order survives the loss of any one part. It is confirmed, or cancelled with a reason,
/// moments later. The same key always leads to the same order, however often it is sent.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale_id}/orders",
    operation_id = "buy",
    params(
        ("sale_id" = inline(Id), Path, description = "The sale: a decimal number from 1 to 2^63 - 1"),
        ("Idempotency-Key" = inline(Key), Header, description = "Names this purchase: 1 to 255 visible ASCII characters, once"),
        ("X-Buyer-Id" = inline(Buyer), Header, description = "The buyer, with auth.mode = trusted-header: 1 to 128 visible ASCII characters, once"),
    ),
    request_body = super::BuyBody,
    responses(
        (status = 202, description = "Accepted now, or by an earlier request with the same key (then with `Idempotency-Replayed: true`)", body = Accepted,
            headers(("Location" = String, description = "Where the order is"), ("Idempotency-Replayed" = String, description = "`true` if the order had been accepted before"))),
        (status = 400, description = "`malformed`: `field` names what is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`sale_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`body_timeout`: the body came too slowly, and nothing was ordered", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`sold_out` or `over_limit`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`ended`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`: more than 16 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`idempotency_key_reused`: the key came before with another quantity", body = Problem, content_type = "application/problem+json"),
        (status = 425, description = "`not_open`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`outcome_unknown`: ask again with the same key. All others mean that nothing was ordered: `sale_not_ready`, `sale_paused`, `backlog_full`, `overloaded`, `draining`, `ledger_unavailable`, `broker_unavailable`", body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "Seconds until it may be asked again"))),
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
        Err(failure) => return failure.into_response(),
    };
    match api.purchase.buy(buy).await {
        Verdict::Accepted(order) => accepted(order, false),
        Verdict::Replayed(order) => accepted(order, true),
        Verdict::Refused(refusal) => Failure::from(refusal).into_response(),
        Verdict::Unknown => Failure::OutcomeUnknown.into_response(),
    }
}

async fn decode(
    api: &Api,
    sale_id: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Buy, Failure> {
    let buyer = api.auth.buyer(headers)?;
    let key = fields::idempotency_key(headers)?;
    let Path(sale_id) = sale_id.map_err(|rejection| Failure::malformed("sale_id", rejection))?;
    let sale = fields::id("sale_id", &sale_id)?;
    body::expect_json(headers)?;
    let quantity = fields::quantity(&body::read(body, api.body_limits).await?)?;
    Ok(Buy { sale, buyer, key, quantity })
}

fn accepted(order: OrderId, replayed: bool) -> Response {
    let order_id = order.to_string();
    let location = HeaderValue::try_from(format!("/v1/orders/{order_id}"));
    // Two strings have no way to fail.
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
