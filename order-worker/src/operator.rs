//! What operators and gateways call: sales and orders, over gRPC and a small HTTP form of it, on one port.
//!
//! [`sales`] decides; [`grpc`] and [`http`] only decode and encode. `books` tells auditors what the store
//! has, `repairs` mends and writes down what was mended, `dead_letters` shows what was given up.

mod backlog;
mod books;
mod dead_letters;
pub mod form;
pub mod grpc;
pub mod http;
mod page;
mod repairs;
pub mod sales;
pub mod view;

use std::sync::Arc;

use axum::Router;
pub use backlog::Backlog;
pub use books::StoreLooks;
pub use dead_letters::DeadLetters;
use flashgate_service::body::BodyLimits;
use metrics_exporter_prometheus::PrometheusHandle;
pub use repairs::Repairs;
pub use sales::Sales;

use crate::health::Health;

/// Everything that the operator's port serves; no `/metrics` without a recorder.
///
/// # Errors
/// The descriptors of the gRPC services cannot be read: a broken build.
pub fn router(
    sales: Arc<Sales>,
    repairs: Repairs,
    dead_letters: DeadLetters,
    health: Arc<Health>,
    metrics: Option<PrometheusHandle>,
    body_limits: BodyLimits,
) -> Result<Router, tonic_reflection::server::Error> {
    let grpc = grpc::routes(Arc::clone(&sales), repairs, dead_letters, &health, body_limits)?;
    Ok(http::routes(sales, health, metrics, body_limits).merge(grpc).fallback(http::nothing_here))
}
