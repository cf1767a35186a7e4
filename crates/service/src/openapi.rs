//! Definitions for the OpenAPI documents of both services: ids, tokens and errors, as exactly as the code checks
//! them.

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

use crate::{
    error::{ApiError, StatusMapping},
    listener::head,
    problem::MEDIA_TYPE,
};

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

/// The responses of `refusals` and of `others`, by status: each code with its sentence, and `Retry-After` where a row
/// has it.
pub fn errors(refusals: &'static [StatusMapping], others: &[ApiError]) -> BTreeMap<String, RefOr<Response>> {
    let refusals = refusals.iter().map(|row| (row, row.detail.to_owned()));
    let others = others.iter().map(|error| (error.mapping(), error.detail()));
    let mut by_status = BTreeMap::<_, Vec<_>>::new();
    for (row, detail) in refusals.chain(others) {
        by_status.entry(row.http.as_u16()).or_default().push((row, detail));
    }
    by_status.iter().map(|(status, outcomes)| (status.to_string(), response(outcomes).into())).collect()
}

fn response(outcomes: &[(&'static StatusMapping, String)]) -> Response {
    let description = outcomes.iter().map(|(row, detail)| format!("`{}`: {detail}", row.code));
    let response = problem(&description.collect::<Vec<_>>().join(". "));
    if outcomes.iter().all(|(row, _detail)| row.retry_after().is_none()) {
        return response;
    }
    let retry_after =
        HeaderBuilder::new().schema(seconds()).description(Some("Seconds until it may be asked again"));
    ResponseBuilder::from(response).header("Retry-After", retry_after.build()).build()
}

/// The errors that every path can answer.
#[derive(Clone, Copy, Debug)]
pub struct Everywhere;

impl IntoResponses for Everywhere {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        errors(&[], &[head::uri_too_long(), head::too_large(), ApiError::Internal])
    }
}

/// The error of a path that needs the order store.
#[derive(Clone, Copy, Debug)]
pub struct StoreDown;

impl IntoResponses for StoreDown {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        errors(&[], &[ApiError::StoreUnavailable])
    }
}

fn seconds() -> Schema {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).into()
}

fn problem(description: &str) -> Response {
    let schema: RefOr<Schema> = Ref::from_schema_name("Problem").into();
    ResponseBuilder::new().description(description).content(MEDIA_TYPE, Content::new(Some(schema))).build()
}
