//! Reads the body of an HTTP request, with checks of content type, size and time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::error::ApiError;

/// The limits on a body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Maximum bytes.
    pub bytes_max: usize,
    /// Timeout of the whole body.
    pub time_max: Duration,
}

/// Checks that the content type is JSON.
///
/// # Errors
/// [`ApiError::UnsupportedMediaType`].
pub fn expect_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let essence = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let essence = essence.and_then(|value| value.split(|byte| *byte == b';').next()).map(<[u8]>::trim_ascii);
    let json = essence.is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/json"));
    json.then_some(()).ok_or(ApiError::UnsupportedMediaType)
}

/// Reads the whole body.
///
/// # Errors
/// [`ApiError::BodyTooLarge`], [`ApiError::BodyTimeout`], or an invalid field `body` if the body was cut off.
pub async fn read(body: Body, limits: BodyLimits) -> Result<Bytes, ApiError> {
    let BodyLimits { bytes_max, time_max } = limits;
    match timeout(time_max, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge { bytes_max }),
        Ok(Err(_cut_off)) => Err(ApiError::malformed("body", "must arrive whole")),
        Err(_elapsed) => Err(ApiError::BodyTimeout),
    }
}
