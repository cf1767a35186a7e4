//! Failures as gRPC statuses with the details of `google.rpc`.

use std::collections::HashMap;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::answer::Failure;

/// The `domain` of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "flashgate";

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let row = failure.row();
        let retry_safe = HashMap::from([("retry_safe".to_owned(), failure.retry_safe().to_string())]);
        let mut details = ErrorDetails::with_error_info(row.code, ERROR_DOMAIN, retry_safe);
        if let Some(violation) = failure.violation() {
            details.add_bad_request_violation(violation.field.as_ref(), violation.expected.as_str());
        }
        if row.retry_after.is_some() {
            details.set_retry_info(row.retry_after);
        }
        Self::with_error_details(row.grpc, failure.detail(), details)
    }
}
