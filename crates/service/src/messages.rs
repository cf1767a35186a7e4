//! Limits on the messages of gRPC requests: size, time and readability, as for bodies over HTTP. tonic reads a
//! message before it calls a handler, without a timeout; it reports an oversized message as out of range, and an
//! unreadable message as an internal error.

use std::{future::ready, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{map_request, map_response},
    response::Response,
};
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};

use crate::{body::BodyLimits, error::ApiError};

/// A stream without a time limit.
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// `routes`, whose requests end with an answer of the table if their message is too long, cannot be read, or does not
/// arrive in time. The methods `streams` and reflection take many messages, without a timeout. The limit
/// of bytes is reported here and enforced by each service itself (`max_decoding_message_size`).
pub fn bounded(routes: Router, limits: BodyLimits, streams: &'static [&'static str]) -> Router {
    let BodyLimits { bytes_max, time_max } = limits;
    let is_stream = move |path: &str| path == REFLECTION || streams.contains(&path);
    routes
        .layer(map_request(move |request: Request| {
            ready(if is_stream(request.uri().path()) { request } else { in_time(request, time_max) })
        }))
        .layer(map_response(move |response| ready(explained(response, bytes_max))))
}

/// The request with a body that fails when it is not complete after `time_max`.
fn in_time(request: Request, time_max: Duration) -> Request {
    let deadline = Instant::now() + time_max;
    request.map(|body| {
        let frames = stream::unfold(Some(body), move |body| async move {
            let mut body = body?;
            match timeout_at(deadline, body.frame()).await {
                Ok(frame) => {
                    Some((frame?.map_err(|cut_off| Status::cancelled(cut_off.to_string())), Some(body)))
                }
                Err(_elapsed) => Some((Err(Status::from(ApiError::BodyTimeout)), None)),
            }
        });
        Body::new(StreamBody::new(frames))
    })
}

fn explained(response: Response, bytes_max: usize) -> Response {
    match Status::from_header_map(response.headers()).and_then(|status| error(&status, bytes_max)) {
        Some(error) => Status::from(error).into_http(),
        None => response,
    }
}

/// The status for the end of a stream of requests, as [`bounded`] maps it for a single request.
pub fn explained_status(status: Status, bytes_max: usize) -> Status {
    error(&status, bytes_max).map_or(status, Status::from)
}

/// The meaning of a status from the decoder, which has no details; statuses of the services always have some.
fn error(status: &Status, bytes_max: usize) -> Option<ApiError> {
    let from_decoder = status.details().is_empty();
    if from_decoder && status.code() == Code::OutOfRange {
        Some(ApiError::BodyTooLarge { bytes_max })
    } else if from_decoder && status.code() == Code::Internal {
        Some(ApiError::malformed("message", format!("cannot be read: {}", status.message())))
    } else {
        None
    }
}
