//! For operators: metrics and health over HTTP, the ledger over gRPC, on one port.

pub mod ledger;

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, response::IntoResponse, routing::get};
use flashgate_proto::{FILE_DESCRIPTOR_SET, v1::ledger_service_server::LedgerServiceServer};
use flashgate_service::{body::BodyLimits, error::ApiError, messages};
use http::StatusCode;
use ledger::LedgerServiceImpl;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tonic::service::Routes;

use crate::readiness::Readiness;

/// Maximum bytes of a gRPC request: a page of outcomes, with twice the requested number of orders.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// `/metrics`, `/healthz/live` and `/healthz/ready` (503 with the names of the missing dependencies), and the ledger.
///
/// # Errors
/// The descriptors of the gRPC services cannot be read: a broken build.
pub fn router(
    readiness: Arc<Readiness>,
    metrics: Option<PrometheusHandle>,
    ledger: LedgerServiceImpl,
    body_timeout: Duration,
) -> Result<Router, tonic_reflection::server::Error> {
    let render = async move || match &metrics {
        Some(metrics) => metrics.render().into_response(),
        None => ApiError::RouteNotFound.into_response(),
    };
    Ok(Router::new()
        .merge(health(readiness))
        .route("/metrics", get(render))
        .merge(grpc(ledger, body_timeout)?)
        .fallback(async || ApiError::RouteNotFound))
}

/// The services, with reflection, as routes without a fallback.
fn grpc(ledger: LedgerServiceImpl, time_max: Duration) -> Result<Router, tonic_reflection::server::Error> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let ledger = LedgerServiceServer::new(ledger).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let routes = Routes::new(ledger).add_service(reflection).into_axum_router().reset_fallback();
    Ok(messages::bounded(routes, BodyLimits { bytes_max: MESSAGE_BYTES_MAX, time_max }, &[]))
}

/// `/healthz/live` and `/healthz/ready`, for load balancers. The latter also names `degraded` dependencies, with
/// which the gateway still sells.
pub fn health(readiness: Arc<Readiness>) -> Router {
    let ready = async move || {
        let missing = readiness.missing();
        let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let degraded = readiness.degraded();
        (status, Json(json!({ "ready": missing.is_empty(), "missing": missing, "degraded": degraded })))
    };
    Router::new()
        .route("/healthz/live", get(async || Json(json!({ "live": true }))))
        .route("/healthz/ready", get(ready))
}
