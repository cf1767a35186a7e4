//! Decodes fields that requests of both services have; each error names its field.

use std::str::FromStr;

use flashgate_domain::{BatchId, IdempotencyKey, SaleId};
use http::HeaderMap;
use tonic::{Response, Status};

use crate::error::ApiError;

/// The answer of a method over gRPC.
pub type GrpcResult<T> = Result<Response<T>, Status>;

/// The header over HTTP, and the metadata over gRPC, that has the idempotency key.
pub const KEY_HEADER: &str = "idempotency-key";

/// The error of a field whose type says what it must be.
pub fn invalid<E: ToString>(field: &'static str) -> impl FnOnce(E) -> ApiError {
    move |expected| ApiError::malformed(field, expected)
}

/// The idempotency key in the headers; `None` without one.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::malformed(KEY_HEADER, "must come once"));
    }
    IdempotencyKey::new(value.as_bytes()).map(Some).map_err(invalid(KEY_HEADER))
}

/// A field that must be there.
pub fn required<T>(field: &'static str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::malformed(field, "must be there"))
}

/// The field `batch_ids`, of at most `max` ids.
pub fn batch_ids(ids: &[Vec<u8>], max: usize) -> Result<Vec<BatchId>, ApiError> {
    if ids.len() > max {
        return Err(ApiError::malformed("batch_ids", format!("must be at most {max}")));
    }
    ids.iter().map(|id| BatchId::from_bytes(id).map_err(invalid("batch_ids"))).collect()
}

/// The field `sale_id`.
pub fn sale_id(number: u64) -> Result<SaleId, ApiError> {
    SaleId::new(number).map_err(invalid("sale_id"))
}

/// Hands each parameter of a query to `take`, by name and value, which says whether the list has it.
///
/// # Errors
/// That of `take`; a parameter that the list does not have.
pub fn parameters(
    query: Option<&str>,
    mut take: impl FnMut(&str, &str) -> Result<bool, ApiError>,
) -> Result<(), ApiError> {
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if !take(&name, &value)? {
            return Err(ApiError::malformed(name.into_owned(), "is no parameter of this list"));
        }
    }
    Ok(())
}

/// A number in a text.
pub fn number<N: FromStr>(field: &'static str, text: &str) -> Result<N, ApiError> {
    // `parse` accepts a sign, too.
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| ApiError::malformed(field, "must be a whole number, not negative"))
}

/// The size of a page: `usual` if none was asked for in `field`, at most `max`.
pub fn page_size(field: &'static str, asked: u32, usual: u32, max: u32) -> Result<u32, ApiError> {
    match asked {
        0 => Ok(usual),
        _ if asked <= max => Ok(asked),
        _ => Err(ApiError::malformed(field, format!("must be at most {max}"))),
    }
}
