//! HTTP: decodes requests and encodes answers. Decides nothing.

mod attempts;
mod callbacks;
mod input;
mod page;
mod refunds;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::{get, post},
};
use http::header;

use crate::{provider::Provider, rejection::Rejection};

/// Maximum length of a body, in bytes: ten times what a request needs.
const BODY_BYTES_MAX: usize = 4_096;

type Shared = State<Arc<Provider>>;

/// All routes.
pub(crate) fn router(provider: Arc<Provider>) -> Router {
    let merchant = Router::new()
        .route("/attempts", get(attempts::list))
        .route("/attempts/{attempt_id}", get(attempts::query))
        .route("/attempts/{attempt_id}/close", post(attempts::close))
        .route("/attempts/{attempt_id}/behaviour", post(attempts::script))
        .route("/refunds", post(refunds::request).get(refunds::list))
        .route("/refunds/behaviour", post(refunds::script))
        .route("/refunds/{refund_id}/state", post(refunds::change))
        .route("/callbacks", get(callbacks::list))
        .route("/callbacks/replay", post(callbacks::replay))
        .layer(from_fn_with_state(Arc::clone(&provider), expect_token));
    Router::new()
        .route("/pay", post(attempts::pay))
        .route("/healthz/live", get(async || "ok"))
        .merge(merchant)
        .fallback(async || Rejection::not_found("path"))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(provider)
}

async fn expect_token(State(provider): Shared, request: Request, next: Next) -> Result<Response, Rejection> {
    let value = request.headers().get(header::AUTHORIZATION);
    let token = value.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if token.is_some_and(|token| provider.is_merchant(token)) {
        Ok(next.run(request).await)
    } else {
        Err(Rejection::unauthenticated())
    }
}
