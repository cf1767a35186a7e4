//! Errors as gRPC statuses with the details of `google.rpc`.

use std::collections::HashMap;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::error::ApiError;

/// The `domain` of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "flashgate";

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let row = error.mapping();
        let retry_safe = HashMap::from([("retry_safe".to_owned(), row.retry_safe().to_string())]);
        let mut details = ErrorDetails::with_error_info(row.code, ERROR_DOMAIN, retry_safe);
        if let Some(violation) = error.violation() {
            details.add_bad_request_violation(violation.field.as_ref(), violation.expected.as_str());
        }
        if let Some(after) = row.retry_after() {
            details.set_retry_info(Some(after));
        }
        Self::with_error_details(row.grpc, error.detail(), details)
    }
}
