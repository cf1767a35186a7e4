//! Decodes the fields of a request; each error names its field.

use flashgate_domain::{BuyerId, IdempotencyKey, OrderId, Quantity, TraceContext};
use flashgate_proto::v1::{BuyRequest, BuyStreamRequest};
use flashgate_service::{
    error::ApiError,
    fields::{invalid, sale_id},
};

use crate::buy::purchase::Buy;

/// The fields of a unary purchase.
pub(super) fn buy(buyer: BuyerId, key: Option<IdempotencyKey>, body: &BuyRequest) -> Result<Buy, ApiError> {
    let key = match (key, body.idempotency_key.as_str()) {
        (Some(key), "") => key,
        (None, "") => return Err(ApiError::malformed("idempotency_key", "is required")),
        (key, text) => {
            let named = IdempotencyKey::new(text).map_err(invalid("idempotency_key"))?;
            if key.is_some_and(|key| key != named) {
                return Err(ApiError::malformed("idempotency_key", "must be the one in the metadata"));
            }
            named
        }
    };
    let sale = sale_id(body.sale_id)?;
    let quantity = Quantity::new(body.quantity).map_err(invalid("quantity"))?;
    Ok(Buy { sale, buyer, key, quantity, trace: None })
}

/// The fields of one purchase of a stream, for the buyer that it names.
pub(super) fn buy_for_anyone(request: BuyStreamRequest) -> Result<Buy, ApiError> {
    let buyer = BuyerId::new(request.buyer_id).map_err(invalid("buyer_id"))?;
    let body = request.buy.ok_or_else(|| ApiError::malformed("buy", "is required"))?;
    let state = (!request.tracestate.is_empty()).then_some(request.tracestate.as_bytes());
    let trace = TraceContext::sampled(request.traceparent.as_bytes(), state).map(Box::new);
    Ok(Buy { trace, ..buy(buyer, None, &body)? })
}

/// The order of a request.
pub(super) fn order_id(text: &str) -> Result<OrderId, ApiError> {
    text.parse().map_err(invalid("order_id"))
}
