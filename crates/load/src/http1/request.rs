//! The bytes of a request: all constant parts are written once.

use super::super::{crowd::Ask, plan::Plan, target::Server};

/// Shared by all requests to one server.
#[derive(Debug)]
pub(super) struct Template {
    /// For each sale: the part before the buyer's number.
    heads: Vec<Vec<u8>>,
    /// The part between the buyer's number and the purchase's.
    middle: Vec<u8>,
    /// The part after the purchase's number.
    tail: Vec<u8>,
    /// The part between the path of a look-up and the buyer's number.
    look_up: Vec<u8>,
}

impl Template {
    pub(super) fn new(plan: &Plan, server: &Server) -> Self {
        let mut common = format!(" HTTP/1.1\r\nHost: {}\r\n", server.authority).into_bytes();
        for (name, value) in &plan.headers {
            common.extend_from_slice(name.as_str().as_bytes());
            common.extend_from_slice(b": ");
            common.extend_from_slice(value.as_bytes());
            common.extend_from_slice(b"\r\n");
        }
        let buyer = format!("X-Buyer-Id: {}", plan.names.buyer_prefix());
        let body = plan.body();
        let content = format!("Content-Type: application/json\r\nContent-Length: {}\r\n{buyer}", body.len());
        let head = |path: &String| [b"POST ", path.as_bytes(), &common, content.as_bytes()].concat();
        Self {
            heads: plan.paths().iter().map(head).collect(),
            middle: format!("\r\nIdempotency-Key: {}", plan.names.key_prefix()).into_bytes(),
            tail: format!("\r\n\r\n{body}").into_bytes(),
            look_up: [&common, buyer.as_bytes()].concat(),
        }
    }

    /// Replaces `bytes` with the request for `ask`.
    pub(super) fn write(&self, ask: &Ask, bytes: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        bytes.clear();
        bytes.extend_from_slice(&self.heads[ask.sale]);
        bytes.extend_from_slice(digits.format(ask.buyer).as_bytes());
        bytes.extend_from_slice(&self.middle);
        bytes.extend_from_slice(digits.format(ask.purchase).as_bytes());
        bytes.extend_from_slice(&self.tail);
    }

    /// Replaces `bytes` with the look-up of `order`.
    pub(super) fn write_look_up(&self, order: u64, buyer: u64, bytes: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        bytes.clear();
        bytes.extend_from_slice(b"GET /v1/orders/");
        bytes.extend_from_slice(digits.format(order).as_bytes());
        bytes.extend_from_slice(&self.look_up);
        bytes.extend_from_slice(digits.format(buyer).as_bytes());
        bytes.extend_from_slice(b"\r\n\r\n");
    }
}
