//! Metrics and health, for operators.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse, routing::get};
use flashgate_service::answer::Failure;
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::readiness::Readiness;

/// `/metrics`, `/healthz/live` and `/healthz/ready` (503 with the parts that are missing).
pub fn router(readiness: Arc<Readiness>, metrics: Option<PrometheusHandle>) -> Router {
    let render = async move || match &metrics {
        Some(metrics) => metrics.render().into_response(),
        None => Failure::RouteNotFound.into_response(),
    };
    Router::new()
        .merge(health(readiness))
        .route("/metrics", get(render))
        .fallback(async || Failure::RouteNotFound)
}

/// `/healthz/live` and `/healthz/ready`, for whoever balances load.
pub fn health(readiness: Arc<Readiness>) -> Router {
    let ready = async move || {
        let missing = readiness.missing();
        let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(json!({ "ready": missing.is_empty(), "missing": missing })))
    };
    Router::new()
        .route("/healthz/live", get(async || Json(json!({ "live": true }))))
        .route("/healthz/ready", get(ready))
}
