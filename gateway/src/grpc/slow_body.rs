//! A limit on how long one message may take to arrive. tonic reads it before any handler is called.

use std::time::Duration;

use axum::{body::Body, extract::Request};
use flashgate_service::answer::Failure;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::{Instant, timeout_at};
use tonic::Status;

/// Methods that take one message. The others are streams, and last as long as their callers like.
const UNARY: [&str; 2] = ["/flashgate.v1.PurchaseService/Buy", "/flashgate.v1.PurchaseService/GetOrder"];

/// The request; if its method takes one message, with a body that fails when it is not complete after `time_max`.
pub(super) fn limited(request: Request, time_max: Duration) -> Request {
    if !UNARY.contains(&request.uri().path()) {
        return request;
    }
    let deadline = Instant::now() + time_max;
    request.map(|body| {
        let frames = stream::unfold(Some(body), move |body| async move {
            let mut body = body?;
            match timeout_at(deadline, body.frame()).await {
                Ok(frame) => {
                    Some((frame?.map_err(|cut_off| Status::cancelled(cut_off.to_string())), Some(body)))
                }
                Err(_elapsed) => Some((Err(Status::from(Failure::BodyTimeout)), None)),
            }
        });
        Body::new(StreamBody::new(frames))
    })
}
