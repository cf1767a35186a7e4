//! The decoder of a purchase over HTTP, as the fuzz target of `tests/fuzz` calls it.

use flashgate_service::body;
use http::HeaderMap;

use super::fields;
use crate::{
    buy::purchase::Buy,
    edge::{
        auth::{Authenticator, TrustedHeader},
        trace::trace_context,
    },
};

/// The purchase in a request; `None` if it is refused.
pub fn buy(sale_id: &str, headers: &HeaderMap, bytes: &[u8]) -> Option<Buy> {
    let buyer = TrustedHeader.buyer(headers).ok()?;
    let key = fields::idempotency_key(headers).ok()?;
    let sale = fields::id("sale_id", sale_id).ok()?;
    body::expect_json(headers).ok()?;
    let quantity = fields::quantity(bytes).ok()?;
    Some(Buy { sale, buyer, key, quantity, trace: trace_context(headers) })
}
