//! What the OpenAPI documents of both services share: ids, tokens and failures, as exactly as the code checks them.

use std::collections::BTreeMap;

pub use flashgate_proto::json::{Buyer, Id, Key};
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{
        Content, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder,
        schema::{ObjectBuilder, Schema, Type},
    },
};

use crate::problem::MEDIA_TYPE;

/// The body of every error: an RFC 9457 problem document.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:flashgate:problem:<code>`
    #[schema(rename = "type", pattern = "^urn:flashgate:problem:[a-z_]+$")]
    pub kind: String,
    /// The kind of problem, for people.
    pub title: String,
    /// The HTTP status again.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// One sentence about this occurrence.
    pub detail: String,
    /// The stable code, for programs.
    #[schema(pattern = "^[a-z_]+$")]
    pub code: String,
    /// Whether the same request can succeed later, unchanged, and does no harm.
    pub retry_safe: bool,
    /// The field that is wrong, if one is.
    #[schema(nullable = false)]
    pub field: Option<String>,
}

/// The answers that every path can give.
#[derive(Clone, Copy, Debug)]
pub struct Everywhere;

impl IntoResponses for Everywhere {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let failures = [
            ("414", "`uri_too_long`: more than 8 KiB"),
            ("431", "`head_too_large`: more than 100 header fields, or more than 16 KiB of them"),
            ("500", "`internal`: a bug; details are in the log"),
        ];
        failures.map(|(status, description)| (status.to_owned(), problem(description).into())).into()
    }
}

/// The answer of whatever needs a part that is down.
#[derive(Clone, Copy, Debug)]
pub struct StoreDown;

impl IntoResponses for StoreDown {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let response = ResponseBuilder::from(problem("`store_unavailable`: ask again"))
            .header("Retry-After", HeaderBuilder::new().schema(seconds()).build())
            .build();
        BTreeMap::from([("503".to_owned(), response.into())])
    }
}

fn seconds() -> Schema {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).into()
}

fn problem(description: &str) -> Response {
    let schema: RefOr<Schema> = Ref::from_schema_name("Problem").into();
    ResponseBuilder::new().description(description).content(MEDIA_TYPE, Content::new(Some(schema))).build()
}
