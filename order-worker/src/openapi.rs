//! The OpenAPI 3.1 document of the operators' HTTP interface, generated from the code.
//! `docs/openapi.order-worker.json` is a copy of it.

use flashgate_operations::view::{
    AttemptView, OrderEventView, OrderEventsView, OrderView, PaymentsView, RefundView, RestockView,
    RestocksView, SaleView, SalesView, StoredOrderView, StoredOrdersView,
};
use flashgate_proto::sale::SaleTerms;
use flashgate_service::openapi::{Buyer, Id, Key, Problem};
use utoipa::OpenApi;

use crate::operator::{
    form::{RestockForm, SaleForm, StepForm},
    http, payments,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "flashgate order worker",
        description = "The interface for operators: sales and orders. Unauthenticated: keep it off the network."
    ),
    paths(
        http::create,
        http::list,
        http::find,
        http::restock,
        http::restocks,
        http::preheat,
        http::close,
        http::list_orders,
        http::order,
        http::cancel,
        http::pay,
        http::ship,
        http::fail,
        http::finish,
        http::refund,
        http::events,
        payments::list,
        payments::retry
    ),
    components(schemas(
        StepForm,
        RestockForm,
        RestockView,
        RestocksView,
        SaleForm,
        SaleTerms,
        SaleView,
        SalesView,
        OrderView,
        StoredOrderView,
        StoredOrdersView,
        OrderEventView,
        OrderEventsView,
        AttemptView,
        RefundView,
        PaymentsView,
        Buyer,
        Id,
        Key,
        Problem
    ))
)]
struct Document;

/// The document of this version.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
