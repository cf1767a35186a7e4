//! The interface for operators and gateways: sales and orders, over gRPC and a small HTTP form of it, on one port.
//!
//! [`sales`], [`crate::lifecycle`] and [`crate::payments`] decide; [`grpc`] and [`http`] only decode and encode. `order_store` shows the order store to auditors,
//! `repairs` repairs and records the repairs, `dead_letters` lists the messages that were given up.

mod backlog;
mod dead_letters;
pub mod form;
pub mod grpc;
pub mod http;
mod order_store;
mod orders;
mod page;
pub(crate) mod payments;
mod repairs;
pub mod sales;

use std::sync::Arc;

use axum::Router;
pub use backlog::Backlog;
pub use dead_letters::DeadLetters;
use flashgate_service::body::BodyLimits;
use metrics_exporter_prometheus::PrometheusHandle;
pub use order_store::StoreViews;
pub use repairs::Repairs;
pub use sales::Sales;
pub(crate) use sales::failure;

use crate::{health::Health, lifecycle::Orders, payments::Payments};

/// The dependencies of the operator's port.
pub struct Interface {
    /// Sales.
    pub sales: Arc<Sales>,
    /// Orders.
    pub orders: Arc<Orders>,
    /// Payments of orders.
    pub payments: Arc<Payments>,
    /// Repairs of audit findings.
    pub repairs: Repairs,
    /// Dead letters.
    pub dead_letters: DeadLetters,
    /// The state that the probes report.
    pub health: Arc<Health>,
}

/// Everything that the operator's port serves, without `/metrics` if there is no recorder; and a task that keeps gRPC
/// health equal to readiness, while it runs.
///
/// # Errors
/// The descriptors of the gRPC services cannot be read: a broken build.
pub fn router(
    interface: Interface,
    metrics: Option<PrometheusHandle>,
    body_limits: BodyLimits,
) -> Result<(Router, impl Future<Output = ()> + Send + use<>), tonic_reflection::server::Error> {
    let Interface { sales, orders, payments, repairs, dead_letters, health } = interface;
    let services = grpc::Services {
        sales: Arc::clone(&sales),
        orders: Arc::clone(&orders),
        payments: Arc::clone(&payments),
        repairs,
        dead_letters,
    };
    let (grpc, reporting) = grpc::routes(services, &health, body_limits)?;
    let http = http::routes(sales, orders, health, metrics, body_limits);
    let router = http.merge(payments::routes(payments, body_limits)).merge(grpc);
    Ok((router.fallback(http::nothing_here), reporting))
}
