//! Messages that tonic cannot read are malformed requests, as over HTTP. tonic calls a message that is too long
//! out of range, and any other an internal error.

use axum::response::Response;
use flashgate_service::answer::Failure;
use tonic::{Code, Status};

use super::MESSAGE_BYTES_MAX;

/// The response, or a better one in its place.
pub(super) fn explained(response: Response) -> Response {
    match Status::from_header_map(response.headers()).and_then(|status| failure(&status)) {
        Some(failure) => Status::from(failure).into_http(),
        None => response,
    }
}

/// The same for the end of a stream of requests.
pub(super) fn explained_status(status: Status) -> Status {
    failure(&status).map_or(status, Status::from)
}

/// What the status means if it comes from the decoder, which gives no details; ours always have some.
fn failure(status: &Status) -> Option<Failure> {
    let from_decoder = status.details().is_empty();
    if from_decoder && status.code() == Code::OutOfRange {
        Some(Failure::BodyTooLarge { bytes_max: MESSAGE_BYTES_MAX })
    } else if from_decoder && status.code() == Code::Internal {
        Some(Failure::malformed("message", format!("cannot be read: {}", status.message())))
    } else {
        None
    }
}
