//! The limits of a request's head: fields, bytes, URI length. A request beyond them is answered with 431 or 414
//! before it reaches the router, over HTTP/1 and HTTP/2 alike.
//!
//! hyper has limits of its own: it answers HTTP/1 beyond 100 fields by itself ([`super::refusal`]), and HTTP/2 beyond
//! [`READ_BYTES_MAX`] with a bare 431.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use futures::future::Either;
use http::{HeaderMap, Request, header};
use hyper::{body::Incoming, service::Service};
use hyper_util::service::TowerToHyperService;
use tonic::Status;

use crate::error::ApiError;

/// Maximum fields of a head: hyper's own limit for HTTP/1.
pub(super) const FIELDS_MAX: usize = 100;
/// Maximum bytes of a head, counted as in HTTP/2: 32 for each field besides its name and value. Proxies cut at 8 to
/// 16 KiB.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Maximum bytes of a URI. The longest route takes less than 100.
pub(super) const URI_BYTES_MAX: usize = 8 * 1024;
/// Maximum bytes that are read of a head of HTTP/2, so that it can be answered. Beyond it the answer has no body.
pub(super) const READ_BYTES_MAX: u32 = 64 * 1024;
/// The bytes that HTTP/2 counts for a field besides its name and value (RFC 9113, 6.5.2).
const FIELD_BYTES: usize = 32;

/// The router, for requests whose heads are within the limits.
#[derive(Clone)]
pub(super) struct Heads(TowerToHyperService<Router>);

impl Heads {
    pub(super) fn new(router: Router) -> Self {
        Self(TowerToHyperService::new(router))
    }
}

type Routed = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

impl Service<Request<Incoming>> for Heads {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, Routed>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        match check(&request) {
            Ok(()) => Either::Right(self.0.call(request)),
            Err(error) => Either::Left(ready(Ok(answer(request.headers(), error)))),
        }
    }
}

fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    let uri = request.uri();
    let uri_bytes = uri.path_and_query().map_or(0, |path| path.as_str().len())
        + uri.authority().map_or(0, |authority| authority.as_str().len());
    if uri_bytes > URI_BYTES_MAX {
        return Err(uri_too_long());
    }
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + FIELD_BYTES
    };
    let headers = request.headers();
    // The sum is only computed for heads that could exceed the limit.
    if headers.len() > FIELDS_MAX || uri_bytes + headers.iter().map(field).sum::<usize>() > HEAD_BYTES_MAX {
        return Err(too_large());
    }
    Ok(())
}

/// The error of a URI beyond the limit.
pub(crate) const fn uri_too_long() -> ApiError {
    ApiError::UriTooLong { bytes_max: URI_BYTES_MAX }
}

/// The error of a head beyond the limits.
pub(crate) const fn too_large() -> ApiError {
    ApiError::HeadTooLarge { fields_max: FIELDS_MAX, bytes_max: HEAD_BYTES_MAX }
}

/// The answer in the protocol of the request.
fn answer(headers: &HeaderMap, error: ApiError) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if content_type.starts_with(b"application/grpc") {
        Status::from(error).into_http()
    } else {
        error.into_response()
    }
}
