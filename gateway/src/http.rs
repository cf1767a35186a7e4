//! HTTP for buyers: decodes requests and encodes answers. Decides nothing.

pub(crate) mod buy;
mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub(crate) mod look_up;

use std::sync::Arc;

use axum::{
    Json, Router,
    response::IntoResponse,
    routing::{get, post},
};
use flashgate_service::{answer::Failure, body::BodyLimits};
use tokio_util::sync::CancellationToken;

use crate::{auth::Authenticator, catalogue::Catalogue, openapi, orders::Orders, purchase::Purchase};

/// What the handlers need.
pub struct Api {
    /// Who the buyer is.
    pub auth: Arc<dyn Authenticator>,
    /// Answers intents.
    pub purchase: Arc<Purchase>,
    /// Looks orders up.
    pub orders: Arc<Orders>,
    /// Looks sales up.
    pub catalogue: Arc<Catalogue>,
    /// What may be read of the body of a request.
    pub body_limits: BodyLimits,
    /// Cancelled when the gateway is to leave.
    pub leave: CancellationToken,
}

/// The routes for buyers.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/sales/{sale_id}/orders", post(buy::buy))
        .route("/v1/sales/{sale_id}", get(look_up::sale))
        .route("/v1/orders/{order_id}", get(look_up::order))
        .route("/openapi.json", get(async || Json(openapi::document())))
        .fallback(async || Failure::RouteNotFound.into_response())
        .method_not_allowed_fallback(async || Failure::MethodNotAllowed.into_response())
        .with_state(api)
}

pub use buy::Accepted;
pub use fields::BuyBody;
pub use look_up::{OrderBody, SaleBody};
