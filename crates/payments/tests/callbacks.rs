//! The decoder of callbacks.

#![expect(clippy::unwrap_used, reason = "a test may fail at any line")]

use flashgate_domain::{CallbackId, Money, RefundId, RefundState, Timestamp};
use flashgate_payments::{
    callback::{BODY_BYTES_MAX, Callback, CallbackError, CallbackEvent, decode, encode},
    signature::Verified,
};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

fn verified() -> Verified {
    Verified { id: Some(CallbackId::new("msg_1").unwrap()), signed_at: NOW }
}

fn read(body: &Value) -> Result<Callback, CallbackError> {
    decode(verified(), body.to_string().as_bytes())
}

fn paid() -> Value {
    json!({
        "type": "payment.paid",
        "timestamp": "2026-06-01T00:00:00Z",
        "data": {"attempt_id": "1024-1", "amount_minor": 1999, "currency": "EUR"}
    })
}

fn money() -> Money {
    Money::new(1_999, "EUR".parse().unwrap()).unwrap()
}

#[test]
fn every_event_is_read_as_it_was_written() {
    let attempt = "1024-1".parse().unwrap();
    let refund = |state| CallbackEvent::Refund {
        refund: RefundId::new("1024-1-r1").unwrap(),
        attempt,
        money: money(),
        state,
    };
    for event in [
        CallbackEvent::Paid { attempt, money: money() },
        CallbackEvent::Closed { attempt },
        CallbackEvent::Reversed { attempt, money: money() },
        refund(RefundState::RequiresAction),
        refund(RefundState::Succeeded),
        refund(RefundState::Failed),
        refund(RefundState::Cancelled),
        CallbackEvent::Unknown { kind: "payout.sent".to_owned() },
    ] {
        let callback = Callback { id: verified().id.unwrap(), at: NOW, event };
        let body = encode(&callback);
        assert_eq!(decode(verified(), &body), Ok(callback.clone()));
        assert_eq!(decode(Verified { id: None, signed_at: NOW }, &body), Ok(callback), "the id of the body");
    }
}

#[test]
fn unknown_fields_are_ignored_and_so_is_an_unknown_type() {
    let mut body = paid();
    body["livemode"] = json!(true);
    body["data"]["customer"] = json!({"name": "Zoë"});
    let event = CallbackEvent::Paid { attempt: "1024-1".parse().unwrap(), money: money() };
    assert_eq!(read(&body).unwrap(), Callback { id: verified().id.unwrap(), at: NOW, event });
    for kind in ["", "payment", "refund.pending", "Payment.paid", "payment.paid "] {
        let body = json!({"type": kind, "timestamp": "2026-06-01T00:00:00Z"});
        assert_eq!(read(&body).unwrap().event, CallbackEvent::Unknown { kind: kind.to_owned() });
    }
    let endless = json!({"type": "\n\u{1b}[31m".repeat(100), "timestamp": "2026-06-01T00:00:00Z"});
    let CallbackEvent::Unknown { kind } = read(&endless).unwrap().event else { panic!("a known type") };
    assert!(kind.chars().count() == 64 && !kind.contains(char::is_control), "{kind:?}");
}

#[test]
fn every_invalid_field_is_named() {
    for (field, value, expected) in [
        ("/type", Value::Null, "type must be a string"),
        ("/timestamp", json!("yesterday"), "timestamp must be a time of RFC 3339"),
        ("/timestamp", json!("2026-06-01T00:00:00"), "timestamp must be a time of RFC 3339"),
        ("/timestamp", json!("1969-12-31T23:59:59Z"), "timestamp must be a time of RFC 3339"),
        ("/timestamp", json!(1_780_272_000), "timestamp must be a string"),
        ("/data", json!([]), "data.attempt_id is required"),
        ("/data/attempt_id", json!(1024), "data.attempt_id must be a string"),
        ("/data/attempt_id", json!("1024-01"), "data.attempt_id must be an order id, a hyphen"),
        ("/data/amount_minor", json!("1999"), "data.amount_minor must be an integer"),
        ("/data/amount_minor", json!(19.99), "data.amount_minor must be an integer"),
        ("/data/amount_minor", json!(-1), "data.amount_minor must be an integer"),
        ("/data/amount_minor", json!(1_000_000_000_000_000_001_u64), "data.amount_minor must be an integer"),
        ("/data/currency", json!("eur"), "data.currency must be three capital letters"),
    ] {
        let mut body = paid();
        *body.pointer_mut(field).unwrap() = value;
        let error = read(&body).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{field}: {error}");
        assert!(error.code() == "invalid_field" && expected.starts_with(error.field().unwrap()), "{error:?}");
    }
}

#[test]
fn every_missing_field_is_named() {
    let refund = json!({
        "type": "refund.failed",
        "timestamp": "2026-06-01T00:00:00Z",
        "data": {"refund_id": "r", "attempt_id": "1024-1", "amount_minor": 1999, "currency": "EUR"}
    });
    read(&refund).unwrap();
    for field in ["type", "timestamp"] {
        let mut body = refund.clone();
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(read(&body).unwrap_err().to_string(), format!("{field} is required"));
    }
    for field in ["refund_id", "attempt_id", "amount_minor", "currency"] {
        let mut body = refund.clone();
        body["data"].as_object_mut().unwrap().remove(field);
        assert_eq!(read(&body).unwrap_err().to_string(), format!("data.{field} is required"));
    }
    let nameless = decode(Verified { id: None, signed_at: NOW }, paid().to_string().as_bytes());
    assert_eq!(nameless.unwrap_err().to_string(), "id is required");
}

#[test]
fn a_body_that_is_no_object_or_too_long_is_refused() {
    for body in [&b""[..], b"null", b"[]", b"{", b"\xff\xff", b"{}{}", &b"[".repeat(10_000)] {
        assert_eq!(decode(verified(), body).unwrap_err().code(), "malformed_body", "{body:?}");
    }
    let mut long = paid().to_string().into_bytes();
    long.resize(BODY_BYTES_MAX, b' ');
    decode(verified(), &long).unwrap();
    long.push(b' ');
    assert_eq!(decode(verified(), &long).unwrap_err().code(), "body_too_large");
}
