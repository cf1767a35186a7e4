//! Why a call on an operators' interface failed.

use std::error::Error;

use flashgate_domain::causes;
use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::port::{Found, Port};

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The URL of a server has the wrong form. Nothing was sent.
    #[error("the URL of {port} {expected}")]
    InvalidUrl {
        /// The server of the URL.
        port: Port,
        /// The expected form.
        expected: &'static str,
    },
    /// No connection within the timeout. Nothing was sent.
    #[error("{url} cannot be reached: {error}")]
    Unreachable {
        /// The expected port.
        port: Port,
        /// The URL.
        url: String,
        /// The cause.
        error: String,
    },
    /// Another server than the expected one answers at the URL.
    #[error("{url} {found}; it must be {port}, {} by default", port.number())]
    OtherServer {
        /// The expected port.
        port: Port,
        /// The URL.
        url: String,
        /// The server found.
        found: Found,
    },
    /// The connection failed during the call: it is unknown whether the server has done it.
    #[error("the connection failed: {0}")]
    ConnectionFailed(String),
    /// The server refused the call, or failed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server's answer is invalid for this version.
    #[error("{port} returned an invalid response: {error}")]
    InvalidResponse {
        /// The server.
        port: Port,
        /// The error.
        error: String,
    },
}

/// What a server answered instead of a result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The stable code of flashgate, such as `sale_not_found`; the name of the gRPC status if another program sent
    /// it.
    pub code: String,
    /// The status.
    pub status: Code,
    /// One sentence.
    pub message: String,
    /// The invalid field of the request, if any.
    pub field: Option<InvalidField>,
}

/// An invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// The field, as in the .proto file.
    pub name: String,
    /// The expected value, without the field's name.
    pub expected: String,
}

impl ClientError {
    /// The stable name of this error.
    pub fn code(&self) -> &str {
        match self {
            Self::InvalidUrl { .. } => "invalid_url",
            Self::Unreachable { .. } => "unreachable",
            Self::OtherServer { .. } => "other_server",
            Self::ConnectionFailed(_) => "connection_failed",
            Self::Refused(refusal) => &refusal.code,
            Self::InvalidResponse { .. } => "invalid_response",
        }
    }

    /// Whether the server could not be reached or could not answer at the moment, so that the same call can succeed
    /// later. Whether it may be repeated depends on the call: a call without an idempotency key may have been done.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::ConnectionFailed(_) => true,
            Self::Refused(refusal) => matches!(
                refusal.status,
                Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled
            ),
            Self::InvalidUrl { .. } | Self::OtherServer { .. } | Self::InvalidResponse { .. } => false,
        }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        if let Some(cause) = status.source() {
            // No server sent this: tonic made it from an error of the connection.
            return Self::ConnectionFailed(causes(cause));
        }
        let violation = status.get_details_bad_request();
        let violation = violation.and_then(|wrong| wrong.field_violations.into_iter().next());
        let code = status.get_details_error_info().map(|info| info.reason);
        Self::Refused(Refusal {
            code: code.unwrap_or_else(|| format!("{:?}", status.code())),
            status: status.code(),
            message: status.message().to_owned(),
            field: violation
                .map(|violation| InvalidField { name: violation.field, expected: violation.description }),
        })
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_refusal_has_the_stable_code_and_the_field() {
        let mut details = ErrorDetails::with_error_info("malformed", "flashgate", []);
        details.add_bad_request_violation("stock", "must be from 1 to 9");
        let status = Status::with_error_details(Code::InvalidArgument, "stock must be from 1 to 9", details);
        let error = ClientError::from(status);
        assert_eq!((error.code(), error.is_unavailable()), ("malformed", false));
        assert_eq!(error.to_string(), "malformed: stock must be from 1 to 9");
        let ClientError::Refused(refusal) = error else { panic!("{error:?}") };
        let field = InvalidField { name: "stock".to_owned(), expected: "must be from 1 to 9".to_owned() };
        assert_eq!(refusal.field, Some(field));
    }

    #[test]
    fn a_status_without_a_stable_code_is_named_by_its_grpc_code() {
        let error = ClientError::from(Status::new(Code::DeadlineExceeded, "too late"));
        assert_eq!((error.code(), error.is_unavailable()), ("DeadlineExceeded", true));
        assert_eq!(error.to_string(), "DeadlineExceeded: too late");
    }
}
