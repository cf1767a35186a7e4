//! The decoders of gRPC requests, as the fuzz targets of `tests/fuzz` call them. Each returns whether it accepted its
//! input.

use flashgate_domain::BuyerId;
use flashgate_proto::v1::{BuyRequest, BuyStreamRequest, GetOrderRequest};
use flashgate_service::fields::idempotency_key;
use http::HeaderMap;

use super::fields;

/// Decodes a purchase of `buyer`, with the metadata of its call.
pub fn buy(buyer: BuyerId, metadata: &HeaderMap, request: &BuyRequest) -> bool {
    let key = idempotency_key(metadata);
    key.is_ok_and(|key| fields::buy(buyer, key, request).is_ok())
}

/// Decodes one purchase of a stream.
pub fn buy_for_anyone(request: BuyStreamRequest) -> bool {
    fields::buy_for_anyone(request).is_ok()
}

/// Decodes the look-up of an order.
pub fn order(request: &GetOrderRequest) -> bool {
    fields::order_id(&request.order_id).is_ok()
}
