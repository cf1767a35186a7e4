//! The fields of a request, each with an error that names it.

use axum::body::Body;
use bytes::Bytes;
use flashgate_domain::{IdempotencyKey, Quantity, intent::InvalidQuantity};
use flashgate_service::answer::Failure;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The longest body that is read.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;
const KEY_HEADER: &str = "idempotency-key";

/// The body of a purchase.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BuyBody {
    /// How many units: from 1 to the sale's `quantity_max`.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: u32,
}

/// The header `Idempotency-Key`.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<IdempotencyKey, Failure> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let value = values.next().ok_or_else(|| Failure::malformed(KEY_HEADER, "is required"))?;
    if values.next().is_some() {
        return Err(Failure::malformed(KEY_HEADER, "must come once"));
    }
    IdempotencyKey::new(value.as_bytes()).map_err(|invalid| Failure::malformed(KEY_HEADER, invalid))
}

/// A part of the path.
pub(super) fn id<T: std::str::FromStr<Err: ToString>>(field: &'static str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|invalid: T::Err| Failure::malformed(field, invalid.to_string()))
}

/// Whether the body is said to be JSON.
pub(super) fn expect_json(headers: &HeaderMap) -> Result<(), Failure> {
    let essence = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let essence = essence.and_then(|value| value.split(|byte| *byte == b';').next()).map(<[u8]>::trim_ascii);
    let json = essence.is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/json"));
    json.then_some(()).ok_or(Failure::UnsupportedMediaType)
}

/// The whole body, if it is not too long.
pub(super) async fn bytes(body: Body) -> Result<Bytes, Failure> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Failure::BodyTooLarge { bytes_max: BODY_BYTES_MAX })
        }
        Err(_cut_off) => Err(Failure::malformed("body", "must arrive whole")),
    }
}

/// The quantity in the body of a purchase.
pub(super) fn quantity(body: &[u8]) -> Result<Quantity, Failure> {
    match serde_json::from_slice::<BuyBody>(body) {
        Ok(body) => Quantity::new(body.quantity).map_err(|invalid| Failure::malformed("quantity", invalid)),
        Err(wrong) => Err(explain(body, &wrong)),
    }
}

/// Finds out which field is to blame: read again without a shape, since this is rare.
fn explain(body: &[u8], wrong: &serde_json::Error) -> Failure {
    if body.trim_ascii().is_empty() {
        return Failure::malformed("body", "is required");
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Failure::malformed("body", format!("must be JSON: {wrong}"));
    };
    let Value::Object(members) = value else {
        return Failure::malformed("body", "must be a JSON object");
    };
    if let Some(unknown) = members.keys().find(|name| *name != "quantity") {
        return Failure::malformed(unknown.clone(), "is not a known field");
    }
    match members.get("quantity") {
        None => Failure::malformed("quantity", "is required"),
        Some(value) if value.as_u64().is_some_and(|units| u32::try_from(units).is_ok()) => {
            Failure::malformed("quantity", "must come once")
        }
        Some(_) => Failure::malformed("quantity", InvalidQuantity),
    }
}
