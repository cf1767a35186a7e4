//! Callbacks that were sent.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use flashgate_domain::AttemptId;
use flashgate_payments::callback::{Callback, CallbackEvent};
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    input::{Body, json, parsed},
    page::{Page, PageQuery},
};
use crate::{callbacks::SentBody, rejection::Rejection};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayBody {
    callback_id: Option<String>,
    attempt_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Replayed {
    callbacks: usize,
}

pub(super) async fn replay(State(provider): Shared, body: Body) -> Result<Json<Replayed>, Rejection> {
    let ReplayBody { callback_id, attempt_id } = json(body)?;
    let attempt = attempt_id.map(|attempt| parsed::<AttemptId>("attempt_id", &attempt)).transpose()?;
    let callbacks = match (&callback_id, attempt) {
        (Some(id), None) => provider.callbacks().replay(|callback| callback.id.as_str() == id),
        (None, Some(attempt)) => {
            provider.callbacks().replay(|callback| attempt_of(callback) == Some(attempt))
        }
        (None, None) | (Some(_), Some(_)) => {
            return Err(Rejection::invalid("callback_id or attempt_id is required, not both"));
        }
    };
    if callbacks == 0 { Err(Rejection::not_found("callback")) } else { Ok(Json(Replayed { callbacks })) }
}

const fn attempt_of(callback: &Callback) -> Option<AttemptId> {
    match &callback.event {
        CallbackEvent::Paid { attempt, .. }
        | CallbackEvent::Closed { attempt }
        | CallbackEvent::Reversed { attempt, .. }
        | CallbackEvent::Refund { attempt, .. } => Some(*attempt),
        CallbackEvent::Unknown { .. } => None,
    }
}

pub(super) async fn list(
    State(provider): Shared,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<SentBody>>, Rejection> {
    let PageQuery { after, limit } = PageQuery::parse(query.as_deref())?;
    let after = after.map(|after| parsed("after", &after)).transpose()?;
    let callbacks = provider.callbacks().list(after, limit);
    Ok(Json(Page::new(callbacks, limit, |last: &SentBody| last.number.to_string())))
}
