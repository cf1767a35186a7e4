//! The decoders of gRPC requests, as the fuzz targets of `tests/fuzz` call them. Each tells whether it took what
//! it was given.

use flashgate_domain::BuyerId;
use flashgate_proto::v1::{BuyRequest, BuyStreamRequest, GetOrderRequest};
use http::HeaderMap;

use super::fields;

/// A purchase of `buyer`, with the metadata of its call.
pub fn buy(buyer: BuyerId, metadata: &HeaderMap, request: &BuyRequest) -> bool {
    let key = fields::key_in_metadata(metadata);
    key.is_ok_and(|key| fields::buy(buyer, key, request).is_ok())
}

/// One of many purchases.
pub fn buy_for_anyone(request: BuyStreamRequest) -> bool {
    fields::buy_for_anyone(request).is_ok()
}

/// A look at an order.
pub fn order(request: &GetOrderRequest) -> bool {
    fields::order_id(request).is_ok()
}
