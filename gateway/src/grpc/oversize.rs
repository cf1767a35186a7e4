//! A message that is too long is a malformed request, as over HTTP. tonic calls it out of range.

use axum::response::Response;
use flashgate_service::answer::Failure;
use tonic::{Code, Status};

use super::MESSAGE_BYTES_MAX;

/// Replaces the status `OUT_OF_RANGE`, which only the decoder gives, with that of a body that is too long.
pub(super) async fn as_malformed(response: Response) -> Response {
    let out_of_range =
        Status::from_header_map(response.headers()).is_some_and(|status| status.code() == Code::OutOfRange);
    if out_of_range {
        return Status::from(Failure::BodyTooLarge { bytes_max: MESSAGE_BYTES_MAX }).into_http();
    }
    response
}
