//! Refunds.

use axum::{
    Json,
    extract::{Path, RawQuery, State},
};
use flashgate_domain::{RefundId, RefundState};
use flashgate_payments::{
    http::IDEMPOTENCY_KEY,
    provider::RefundRequest,
    wire::{AmountBody, RefundBody},
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    input::{Body, json, parsed},
    page::{Page, PageQuery},
};
use crate::{behaviour::RefundBehaviour, rejection::Rejection};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptBody {
    behaviour: RefundBehaviour,
    attempt_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateBody {
    state: String,
}

/// A refund in a list.
#[derive(Serialize)]
pub(super) struct RefundEntry {
    #[serde(flatten)]
    refund: RefundBody,
    #[serde(flatten)]
    amount: AmountBody,
}

fn refund_id(text: &str) -> Result<RefundId, Rejection> {
    RefundId::new(text).map_err(|expected| Rejection::invalid(format_args!("the refund id {expected}")))
}

pub(super) async fn request(
    State(provider): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RefundBody>, Rejection> {
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok());
    let refund = refund_id(key.ok_or_else(|| Rejection::invalid("header idempotency-key is required"))?)?;
    let amount: AmountBody = json(body)?;
    let (attempt, money) = amount.parse().map_err(Rejection::invalid)?;
    let request = RefundRequest { refund, attempt, money };
    let state = provider.refund(&request).await?;
    Ok(Json(RefundBody::new(&request.refund, state)))
}

pub(super) async fn script(State(provider): Shared, body: Body) -> Result<StatusCode, Rejection> {
    let ScriptBody { behaviour, attempt_id } = json(body)?;
    let attempt = attempt_id.map(|attempt| parsed("attempt_id", &attempt)).transpose()?;
    provider.script_refunds(attempt, behaviour)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn change(
    State(provider): Shared,
    Path(refund): Path<String>,
    body: Body,
) -> Result<StatusCode, Rejection> {
    let StateBody { state } = json(body)?;
    let expected =
        || Rejection::invalid("state must be pending, requires_action, succeeded, failed or cancelled");
    let state = RefundState::parse(&state).ok_or_else(expected)?;
    provider.move_refund(&refund_id(&refund)?, state)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list(
    State(provider): Shared,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<RefundEntry>>, Rejection> {
    let PageQuery { after, limit } = PageQuery::parse(query.as_deref())?;
    let after = after.map(|after| refund_id(&after)).transpose()?;
    let refunds = provider.refunds(after, limit).into_iter().map(|(id, record)| RefundEntry {
        refund: RefundBody::new(&id, record.state),
        amount: AmountBody::new(record.attempt, record.money),
    });
    Ok(Json(Page::new(refunds.collect(), limit, |last: &RefundEntry| last.refund.refund_id.clone())))
}
