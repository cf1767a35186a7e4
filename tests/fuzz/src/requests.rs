//! Requests of buyers, over HTTP and gRPC.

use flashgate_domain::BuyerId;
use flashgate_gateway::edge::{grpc, http as gateway_http};
use flashgate_proto::v1::{BuyRequest, BuyStreamRequest, GetOrderRequest};
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;

/// Lines of a head, up to an empty one; then the body. What a real server would not take as a header is left out.
pub(crate) fn head_and_body(bytes: &[u8]) -> (&[u8], HeaderMap, &[u8]) {
    let (mut first, mut headers, mut rest) = (None, HeaderMap::new(), bytes);
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, after) = match end {
            Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default()),
            None => (rest, [].as_slice()),
        };
        rest = after;
        if first.is_none() {
            first = Some(line);
        } else if line.is_empty() {
            return (first.unwrap_or_default(), headers, rest);
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let (name, value) = line.split_at(colon);
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        if rest.is_empty() {
            return (first.unwrap_or_default(), headers, rest);
        }
    }
}

/// The sale's part of the path in the first line, headers in the next ones, an empty line, the body.
pub fn http_buy(bytes: &[u8]) -> bool {
    let (sale, headers, body) = head_and_body(bytes);
    let sale = String::from_utf8_lossy(sale);
    let Some(buy) = gateway_http::fuzzing::buy(&sale, &headers, body) else { return false };
    // The same purchase in the words that a client would choose for it.
    let mut plain = HeaderMap::new();
    for (name, value) in [
        ("x-buyer-id", buy.buyer.as_str()),
        ("idempotency-key", buy.key.as_str()),
        ("content-type", "application/json"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            plain.insert(HeaderName::from_static(name), value);
        }
    }
    let body = format!("{{\"quantity\": {}}}", buy.quantity.get());
    let again = gateway_http::fuzzing::buy(&buy.sale.to_string(), &plain, body.as_bytes());
    let same = again.is_some_and(|again| {
        (again.sale, again.buyer, again.key, again.quantity) == (buy.sale, buy.buyer, buy.key, buy.quantity)
    });
    assert!(same, "the same purchase in plain words is another one");
    true
}

/// The first byte tells which request; metadata as for HTTP, an empty line, the message.
pub fn grpc(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    match kind % 3 {
        0 => {
            let (_first, metadata, body) = head_and_body(rest);
            let request = BuyRequest::decode(body);
            BuyerId::new("buyer").is_ok_and(|buyer| {
                request.is_ok_and(|request| grpc::fuzzing::buy(buyer, &metadata, &request))
            })
        }
        1 => BuyStreamRequest::decode(rest).is_ok_and(grpc::fuzzing::buy_for_anyone),
        _ => GetOrderRequest::decode(rest).is_ok_and(|request| grpc::fuzzing::order(&request)),
    }
}
