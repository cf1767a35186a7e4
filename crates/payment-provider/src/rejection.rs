//! Every answer that is no success.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use flashgate_payments::{http::ATTEMPT_NOT_FOUND, wire::ErrorBody};
use http::StatusCode;

/// Why a request is not served: its status, a stable code, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Rejection {
    fn new(status: StatusCode, code: &'static str, detail: impl ToString) -> Self {
        Self { status, code, detail: detail.to_string() }
    }

    /// The body or the path is invalid.
    pub(crate) fn invalid(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "the bearer token is missing or wrong")
    }

    pub(crate) fn attempt_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, ATTEMPT_NOT_FOUND, "the attempt was never seen")
    }

    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format_args!("the {what} does not exist"))
    }

    /// The state of a record forbids it.
    pub(crate) fn conflict(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// The rules forbid it.
    pub(crate) fn refused(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// As scripted.
    pub(crate) fn failing() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "scripted_failure", "the request failed, as scripted")
    }

    /// A limit is reached.
    pub(crate) fn full(what: &'static str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "full",
            format_args!("the maximum of {what} is reached; restart with higher limits"),
        )
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let body = ErrorBody { code: self.code.to_owned(), detail: self.detail };
        (self.status, Json(body)).into_response()
    }
}
