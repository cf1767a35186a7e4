//! What requests bring: bodies and parts of paths.

use std::{fmt::Display, str::FromStr};

use axum::{body::Bytes, extract::rejection::BytesRejection};
use serde::de::DeserializeOwned;

use crate::rejection::Rejection;

/// A body, or the reason why it did not arrive.
pub(super) type Body = Result<Bytes, BytesRejection>;

/// The JSON of a body.
pub(super) fn json<T: DeserializeOwned>(body: Body) -> Result<T, Rejection> {
    let body = body.map_err(Rejection::invalid)?;
    serde_json::from_slice(&body).map_err(Rejection::invalid)
}

/// A field or a part of the path.
pub(super) fn parsed<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, Rejection> {
    text.parse().map_err(|expected| Rejection::invalid(format_args!("{field} {expected}")))
}
