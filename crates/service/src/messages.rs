//! The messages of gRPC requests: not too long, in time, and readable, as bodies are over HTTP. tonic reads a message
//! before it calls a handler, and waits for it without end; it calls one that is too long out of range, and one that it
//! cannot read an internal error.

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

/// Callers of it send as long as they like.
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// `routes`, whose requests end with an answer of the table if their message is too long, cannot be read, or does not
/// arrive in time. The methods `streams` and reflection take many messages, and all the time of their callers. The limit
/// of bytes is told here and kept by each service itself (`max_decoding_message_size`).
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

/// The end of a stream of requests, as [`bounded`] tells it of a single one.
pub fn explained_status(status: Status, bytes_max: usize) -> Status {
    error(&status, bytes_max).map_or(status, Status::from)
}

/// What the status means if it comes from the decoder, which gives no details; ours always have some.
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
