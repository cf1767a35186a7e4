//! The OpenAPI 3.1 document of the HTTP interface, generated from the code. `docs/openapi.json` is a copy of it.

use flashgate_proto::sale::SaleTerms;
use flashgate_service::openapi::{Id, Problem};
use utoipa::OpenApi;

use super::http::{Accepted, BuyBody, OrderBody, OrdersBody, PaymentBody, SaleBody};

#[derive(OpenApi)]
#[openapi(
    info(title = "flashgate", description = "A flash-sale gateway: the interface for buyers."),
    paths(
        super::http::buy::buy,
        super::http::look_up::orders,
        super::http::look_up::order,
        super::http::look_up::cancel,
        super::http::look_up::sale,
        super::http::pay::pay
    ),
    components(schemas(
        Accepted,
        BuyBody,
        OrderBody,
        OrdersBody,
        PaymentBody,
        SaleBody,
        SaleTerms,
        Id,
        Problem
    ))
)]
struct Document;

/// The document of this version.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
