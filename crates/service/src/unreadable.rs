//! gRPC messages that tonic cannot read are malformed requests, as over HTTP. tonic calls a message that is too
//! long out of range, and any other an internal error.

use axum::response::Response;
use tonic::{Code, Status};

use crate::answer::Failure;

/// The response, or a better one in its place. `bytes_max` is the longest message that is read.
pub fn explained(response: Response, bytes_max: usize) -> Response {
    match Status::from_header_map(response.headers()).and_then(|status| failure(&status, bytes_max)) {
        Some(failure) => Status::from(failure).into_http(),
        None => response,
    }
}

/// The same for the end of a stream of requests.
pub fn explained_status(status: Status, bytes_max: usize) -> Status {
    failure(&status, bytes_max).map_or(status, Status::from)
}

/// What the status means if it comes from the decoder, which gives no details; ours always have some.
fn failure(status: &Status, bytes_max: usize) -> Option<Failure> {
    let from_decoder = status.details().is_empty();
    if from_decoder && status.code() == Code::OutOfRange {
        Some(Failure::BodyTooLarge { bytes_max })
    } else if from_decoder && status.code() == Code::Internal {
        Some(Failure::malformed("message", format!("cannot be read: {}", status.message())))
    } else {
        None
    }
}
