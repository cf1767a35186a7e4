//! The OpenAPI 3.1 document of the HTTP interface, made from the code. `docs/openapi.json` is a copy of it.

use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::http::{Accepted, BuyBody, OrderBody, SaleBody};

/// The body of every error: an RFC 9457 problem document.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:flashgate:problem:<code>`
    #[schema(rename = "type")]
    pub kind: String,
    /// The kind of problem, for people.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// One sentence about this occurrence.
    pub detail: String,
    /// The stable code, for programs.
    pub code: String,
    /// Whether the same request can succeed later, unchanged, and does no harm.
    pub retry_safe: bool,
    /// The field that is wrong, if one is.
    pub field: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "flashgate", description = "A flash-sale gateway: the interface for buyers."),
    paths(crate::http::buy::buy, crate::http::look_up::order, crate::http::look_up::sale),
    components(schemas(Accepted, BuyBody, OrderBody, SaleBody, Problem))
)]
struct Document;

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
