//! Decodes the fields of a request; each error names its field.

use flashgate_domain::{BuyerId, IdempotencyKey, OrderId, Quantity, SaleId};
use flashgate_proto::v1::{BuyRequest, BuyStreamRequest, GetOrderRequest};
use flashgate_service::error::ApiError;
use http::HeaderMap;

use crate::buy::purchase::Buy;

const KEY_METADATA: &str = "idempotency-key";

/// The idempotency key in the metadata, if present.
pub(super) fn key_in_metadata(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = headers.get_all(KEY_METADATA).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::malformed(KEY_METADATA, "must come once"));
    }
    let key = IdempotencyKey::new(value.as_bytes());
    key.map(Some).map_err(|invalid| ApiError::malformed(KEY_METADATA, invalid))
}

/// The fields of a unary purchase.
pub(super) fn buy(buyer: BuyerId, key: Option<IdempotencyKey>, body: &BuyRequest) -> Result<Buy, ApiError> {
    let key = match (key, body.idempotency_key.as_str()) {
        (Some(key), "") => key,
        (None, "") => return Err(ApiError::malformed("idempotency_key", "is required")),
        (key, text) => {
            let named = IdempotencyKey::new(text)
                .map_err(|invalid| ApiError::malformed("idempotency_key", invalid))?;
            if key.is_some_and(|key| key != named) {
                return Err(ApiError::malformed("idempotency_key", "must be the one in the metadata"));
            }
            named
        }
    };
    let sale = SaleId::new(body.sale_id).map_err(|invalid| ApiError::malformed("sale_id", invalid))?;
    let quantity =
        Quantity::new(body.quantity).map_err(|invalid| ApiError::malformed("quantity", invalid))?;
    Ok(Buy { sale, buyer, key, quantity, trace: None })
}

/// The fields of one purchase of a stream, for the buyer that it names.
pub(super) fn buy_for_anyone(request: BuyStreamRequest) -> Result<Buy, ApiError> {
    let buyer = BuyerId::new(request.buyer_id).map_err(|invalid| ApiError::malformed("buyer_id", invalid))?;
    let body = request.buy.ok_or_else(|| ApiError::malformed("buy", "is required"))?;
    buy(buyer, None, &body)
}

/// The order id of a look-up.
pub(super) fn order_id(body: &GetOrderRequest) -> Result<OrderId, ApiError> {
    body.order_id.parse().map_err(|invalid| ApiError::malformed("order_id", invalid))
}
