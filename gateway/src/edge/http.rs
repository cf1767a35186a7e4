//! HTTP for buyers: decodes requests and encodes answers. Decides nothing.

pub(crate) mod buy;
mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub(crate) mod look_up;
pub(crate) mod pay;

use std::sync::Arc;

use axum::{
    Json, Router,
    response::IntoResponse,
    routing::{get, post},
};
use flashgate_service::error::ApiError;
use utoipa::openapi::OpenApi;

use super::api::Api;

/// The routes for buyers, and `document` at `/openapi.json`.
pub fn router(api: Arc<Api>, document: OpenApi) -> Router {
    Router::new()
        .route("/v1/sales/{sale_id}/orders", post(buy::buy))
        .route("/v1/sales/{sale_id}", get(look_up::sale))
        .route("/v1/orders", get(look_up::orders))
        .route("/v1/orders/{order_id}", get(look_up::order))
        .route("/v1/orders/{order_id}/cancel", post(look_up::cancel))
        .route("/v1/orders/{order_id}/payment", post(pay::pay))
        .route("/openapi.json", get(async move || Json(document.clone())))
        .fallback(async || ApiError::RouteNotFound.into_response())
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed.into_response())
        .with_state(api)
}

pub use buy::Accepted;
pub use fields::BuyBody;
pub use look_up::{OrderBody, OrdersBody, SaleBody};
pub use pay::PaymentBody;
