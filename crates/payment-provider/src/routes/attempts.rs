//! Payments and attempts.

use axum::{
    Json,
    extract::{Path, RawQuery, State},
};
use flashgate_domain::AttemptId;
use flashgate_payments::{
    provider::AttemptStatus,
    wire::{AmountBody, AttemptBody},
};
use http::StatusCode;
use serde::Deserialize;

use super::{
    Shared,
    input::{Body, json, parsed},
    page::{Page, PageQuery},
};
use crate::{behaviour::Behaviour, rejection::Rejection};

#[derive(Deserialize)]
pub(super) struct PayBody {
    #[serde(flatten)]
    amount: AmountBody,
    behaviour: Option<Behaviour>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptBody {
    behaviour: Behaviour,
}

pub(super) async fn pay(State(provider): Shared, body: Body) -> Result<Json<AttemptBody>, Rejection> {
    let PayBody { amount, behaviour } = json(body)?;
    let (attempt, money) = amount.parse().map_err(Rejection::invalid)?;
    let status = provider.pay(attempt, money, behaviour)?;
    Ok(Json(AttemptBody::new(attempt, status)))
}

pub(super) async fn query(
    State(provider): Shared,
    Path(attempt): Path<String>,
) -> Result<Json<AttemptBody>, Rejection> {
    let attempt: AttemptId = parsed("attempt_id", &attempt)?;
    match provider.query(attempt).await? {
        AttemptStatus::Unseen => Err(Rejection::attempt_not_found()),
        status @ (AttemptStatus::Open
        | AttemptStatus::Closed
        | AttemptStatus::Paid { .. }
        | AttemptStatus::Reversed { .. }) => Ok(Json(AttemptBody::new(attempt, status))),
    }
}

pub(super) async fn close(
    State(provider): Shared,
    Path(attempt): Path<String>,
) -> Result<Json<AttemptBody>, Rejection> {
    let attempt: AttemptId = parsed("attempt_id", &attempt)?;
    let status = provider.close(attempt).await?;
    Ok(Json(AttemptBody::new(attempt, status)))
}

pub(super) async fn script(
    State(provider): Shared,
    Path(attempt): Path<String>,
    body: Body,
) -> Result<StatusCode, Rejection> {
    let ScriptBody { behaviour } = json(body)?;
    provider.script(parsed("attempt_id", &attempt)?, behaviour)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list(
    State(provider): Shared,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<AttemptBody>>, Rejection> {
    let PageQuery { after, limit } = PageQuery::parse(query.as_deref())?;
    let after = after.map(|after| parsed("after", &after)).transpose()?;
    let attempts = provider.attempts(after, limit);
    let attempts = attempts.into_iter().map(|(id, status)| AttemptBody::new(id, status)).collect();
    Ok(Json(Page::new(attempts, limit, |last: &AttemptBody| last.attempt_id.clone())))
}
