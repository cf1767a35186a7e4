//! Errors as RFC 9457 problem documents.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    response::{IntoResponse, Response},
};
use flashgate_domain::Refusal;
use http::{HeaderValue, header};
use serde::Serialize;

use crate::error::ApiError;

/// The body of every HTTP error, as `application/problem+json`.
#[derive(Debug, Serialize)]
pub struct Problem {
    /// A URI that names the kind of problem: `urn:flashgate:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, for people.
    pub title: &'static str,
    /// The HTTP status again.
    pub status: u16,
    /// One sentence about this occurrence.
    pub detail: String,
    /// The stable code, for programs.
    pub code: &'static str,
    /// Whether the same request can succeed later, unchanged, and does no harm.
    pub retry_safe: bool,
    /// The invalid field, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl From<&ApiError> for Problem {
    fn from(error: &ApiError) -> Self {
        let row = error.mapping();
        Self {
            kind: format!("urn:flashgate:problem:{}", row.code),
            title: row.title,
            status: row.http.as_u16(),
            detail: error.detail(),
            code: row.code,
            retry_safe: row.retry_safe(),
            field: error.violation().map(|violation| violation.field.to_string()),
        }
    }
}

/// The answer that most buyers of a sale get: encoded once.
static SOLD_OUT: LazyLock<Bytes> = LazyLock::new(|| write(&ApiError::Refused(Refusal::SoldOut)));

/// The media type of problem documents.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Encodes the error as a document.
pub(crate) fn write(error: &ApiError) -> Bytes {
    // A struct of strings, numbers and booleans cannot fail to serialize.
    serde_json::to_vec(&Problem::from(error)).unwrap_or_default().into()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let row = self.mapping();
        let body = if self == Self::Refused(Refusal::SoldOut) { SOLD_OUT.clone() } else { write(&self) };
        let mut response = (row.http, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(after) = row.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        response
    }
}
