//! Decodes the fields of a request; each error names its field.

use std::borrow::Cow;

use flashgate_domain::{IdempotencyKey, Quantity, intent::InvalidQuantity};
use flashgate_service::{
    error::ApiError,
    fields::{self, KEY_HEADER},
    integers,
    openapi::Buyer,
};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// The body of a purchase.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BuyBody {
    /// How many units: from 1 to the sale's `quantity_max`.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: u32,
}

/// What the authentication of a buyer takes, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
pub(super) struct BuyerHeader {
    /// The buyer, with auth.mode = trusted-header: 1 to 128 visible ASCII characters, once
    #[param(rename = "X-Buyer-Id", inline)]
    x_buyer_id: Buyer,
}

/// Decodes the header `Idempotency-Key`.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<IdempotencyKey, ApiError> {
    fields::idempotency_key(headers)?.ok_or_else(|| ApiError::malformed(KEY_HEADER, "is required"))
}

/// Decodes a path parameter.
pub(super) fn id<T: std::str::FromStr<Err: ToString>>(
    field: &'static str,
    text: &str,
) -> Result<T, ApiError> {
    text.parse().map_err(|invalid: T::Err| ApiError::malformed(field, invalid.to_string()))
}

/// Decodes the quantity in the body of a purchase.
pub(super) fn quantity(body: &[u8]) -> Result<Quantity, ApiError> {
    // serde would accept an array of the right length for the struct.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(not_an_object(body));
    }
    let read = serde_json::from_slice::<BuyBody>(body).or_else(|wrong| read_again(body, wrong))?;
    Quantity::new(read.quantity).map_err(fields::invalid("quantity"))
}

/// `1.0` and `1e0` are integers, too, but rare.
fn read_again(body: &[u8], wrong: serde_json::Error) -> Result<BuyBody, ApiError> {
    match integers::plain(body) {
        Cow::Owned(plain) => serde_json::from_slice(&plain).map_err(|wrong| explain(&plain, &wrong)),
        Cow::Borrowed(body) => Err(explain(body, &wrong)),
    }
}

fn not_an_object(body: &[u8]) -> ApiError {
    let expected = if body.trim_ascii().is_empty() { "is required" } else { "must be a JSON object" };
    ApiError::malformed("body", expected)
}

/// Finds the wrong field by parsing again without a schema, since this is rare.
fn explain(body: &[u8], wrong: &serde_json::Error) -> ApiError {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return ApiError::malformed("body", format!("must be JSON: {wrong}"));
    };
    if let Some(unknown) = members.keys().find(|name| *name != "quantity") {
        return ApiError::malformed(unknown.clone(), "is not a known field");
    }
    match members.get("quantity") {
        None => ApiError::malformed("quantity", "is required"),
        Some(value) if value.as_u64().is_some_and(|units| u32::try_from(units).is_ok()) => {
            ApiError::malformed("quantity", "must come once")
        }
        Some(_) => ApiError::malformed("quantity", InvalidQuantity),
    }
}

#[cfg(test)]
mod tests {
    use super::quantity;

    fn units(body: &str) -> Result<u32, String> {
        let read = quantity(body.as_bytes());
        read.map(|quantity| quantity.get()).map_err(|error| {
            error.violation().map(|violation| violation.field.to_string()).unwrap_or_default()
        })
    }

    #[test]
    fn an_integer_counts_however_it_is_written() {
        for written in ["2", "2.0", "2e0", "2E+0", "20e-1", "0.2e1"] {
            assert_eq!(units(&format!("{{\"quantity\":{written}}}")), Ok(2), "{written}");
        }
        assert_eq!(units(r#"{"quantity":1e6}"#), Ok(1_000_000));
        for written in ["2.5", "2e-1", "-2.0", "0.0", "1000000.0000000001", "1e7", "1e400", "\"2.0\""] {
            let field = units(&format!("{{\"quantity\":{written}}}")).unwrap_err();
            assert!(field == "quantity" || written == "1e400", "{written}: {field}");
        }
        assert_eq!(units(r#"{"quantity":1.0,"quantity":2}"#), Err("quantity".to_owned()));
        assert_eq!(units(r#"{"quantity":1.0,"colour":1}"#), Err("colour".to_owned()));
    }
}
