//! Callbacks of every kind, and their answers.

use std::time::Duration;

use flashgate_domain::{
    Actor, AttemptId, AttemptState, BuyerId, Clock, Money, OrderState, OrderStep, RefundCause, RefundId,
    RefundState, SystemClock,
};
use flashgate_order_store::OrderRepository;
use flashgate_payments::callback::CallbackEvent;
use flashgate_proto::event::decode_event;
use reqwest::Method;
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt;

use super::{
    LATER, euros,
    shop::{CALLBACKS, PRICE, Shop, Signed, eventually},
};
use crate::double::Event;

fn paid(attempt: AttemptId) -> CallbackEvent {
    CallbackEvent::Paid { attempt, money: euros(PRICE) }
}

#[tokio::test]
async fn a_buyer_gets_what_is_needed_to_pay_and_the_callback_pays_the_order() {
    let mut shop = Shop::start().await;
    let order = shop.order(LATER).await;
    let payment = shop.open(order).await.unwrap();
    let stored = shop.store.order(order).await.unwrap().unwrap();
    let attempt: AttemptId = payment.attempt_id.parse().unwrap();
    assert_eq!((attempt.order, attempt.number.get()), (order, 1));
    assert_eq!((payment.amount_minor, payment.currency.as_str()), (PRICE, "EUR"));
    assert_eq!(
        (payment.state.as_str(), payment.pay_url.clone()),
        ("open", format!("https://pay.example/{attempt}"))
    );
    assert_eq!(payment.pay_by_ms, stored.pay_by.map(|at| at.as_millis()));
    assert_eq!(shop.open(order).await.unwrap(), payment, "again");

    assert_eq!(shop.pay(attempt, "twice").await, 200);
    shop.becomes(order, OrderState::Paid).await;
    let [event] = &shop.events(order).await[..] else { panic!("one transition") };
    assert_eq!((&event.actor, event.version), (&Actor::Payment, 2));
    let [found] = shop.attempts(order).await[..] else { panic!("one attempt") };
    assert_eq!((found.state, found.taken), (AttemptState::Paid, Some(euros(PRICE))));
    let published = async || {
        shop.bus.events().into_iter().any(|event| match event {
            Event::Published { topic, body, .. } if topic == "t-lifecycle" => {
                decode_event(body).unwrap().0.to == OrderState::Paid
            }
            Event::Published { .. } | Event::Committed { .. } => false,
        })
    };
    eventually("the event is published", published).await;
    let (status, listed) = shop.get(&format!("/v1/orders/{order}/payments")).await;
    assert_eq!(
        (status, &listed["attempts"][0]["state"], &listed["refunds"]),
        (200, &json!("paid"), &json!([]))
    );

    let conflict = shop.open(order).await.unwrap_err();
    let code = conflict.get_details_error_info().unwrap().reason;
    assert_eq!((conflict.code(), code.as_str()), (Code::FailedPrecondition, "order_state_conflict"));
    assert_eq!(
        conflict.message(),
        format!("an order that is paid cannot be {}", OrderStep::Pay.participle())
    );
    shop.stop().await;
}

#[tokio::test]
async fn nobody_pays_an_order_of_another_buyer_or_one_that_is_not_there() {
    let mut shop = Shop::start().await;
    let order = shop.order(LATER).await;
    let stranger = shop.open_as(order, &BuyerId::new("mallory").unwrap()).await.unwrap_err();
    assert_eq!((stranger.code(), stranger.message()), (Code::NotFound, "there is no such order"));
    let missing = shop.open_as("131072".parse().unwrap(), &BuyerId::new("ann").unwrap()).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert!(shop.attempts(order).await.is_empty());
    assert_eq!(shop.get("/v1/orders/131072/payments").await.0, 404);
    shop.stop().await;
}

#[tokio::test]
async fn a_callback_that_is_not_authentic_is_refused_and_changes_nothing() {
    let mut shop = Shop::start().await;
    let order = shop.order(LATER).await;
    let attempt = shop.attempt(order).await;
    let now = SystemClock.now();
    let signed = || Signed::new("msg_a", paid(attempt), SystemClock.now());
    let without = |name: &str| {
        let mut signed = signed();
        signed.headers.remove(name);
        signed
    };
    let with = |name: &'static str, value: &str| {
        let mut signed = signed();
        signed.headers.insert(name, value.parse().unwrap());
        signed
    };
    let mut tampered = signed();
    tampered.body.push(b' ');
    let far = Duration::from_secs(301);
    for (refused, expected) in [
        (Signed::forged("msg_a", paid(attempt)), "bad_signature: no signature matches"),
        (tampered, "bad_signature: no signature matches"),
        (with("webhook-id", "msg_b"), "bad_signature: no signature matches"),
        (without("webhook-signature"), "missing_header: header webhook-signature is required"),
        (without("webhook-id"), "missing_header: header webhook-id is required"),
        (with("webhook-signature", ""), "malformed_header: header webhook-signature is malformed"),
        (with("webhook-signature", "v1,"), ""),
        (with("webhook-timestamp", "yesterday"), "malformed_header: header webhook-timestamp is malformed"),
        (
            Signed::new("msg_a", paid(attempt), now.saturating_sub(far)),
            "timestamp_too_old: the timestamp is more than 300 s in the past",
        ),
        (
            Signed::new("msg_a", paid(attempt), now.saturating_add(far + Duration::from_secs(60))),
            "timestamp_too_new: the timestamp is more than 300 s in the future",
        ),
    ] {
        let (status, problem) = shop.send(refused.headers, refused.body).await;
        assert_eq!((status, &problem["code"]), (401, &json!("invalid_signature")), "{problem}");
        assert!(expected.is_empty() || problem["detail"] == expected, "{problem}");
    }
    assert_eq!(shop.state(order).await, OrderState::Confirmed);
    let signed = signed();
    assert_eq!(shop.send(signed.headers, signed.body).await.0, 204);
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_callback_is_named() {
    let mut shop = Shop::start().await;
    let order = shop.order(LATER).await;
    let attempt = shop.attempt(order).await;
    let body = |edit: fn(&mut serde_json::Value)| {
        let mut body = json!({
            "type": "payment.paid", "timestamp": "2026-06-01T00:00:00Z",
            "data": {"attempt_id": attempt.to_string(), "amount_minor": PRICE, "currency": "EUR"}
        });
        edit(&mut body);
        body.to_string()
    };
    for (sent, field) in [
        (body(|body| body["type"] = json!(null)), "type"),
        (body(|body| body["timestamp"] = json!("now")), "timestamp"),
        (body(|body| body["data"]["attempt_id"] = json!("1024-0")), "data.attempt_id"),
        (body(|body| body["data"]["amount_minor"] = json!(19.99)), "data.amount_minor"),
        (body(|body| body["data"]["currency"] = json!("eur")), "data.currency"),
        ("[]".to_owned(), "body"),
        (String::new(), "body"),
    ] {
        let Signed { headers, body } = Signed::body("msg_a", sent);
        let (status, problem) = shop.send(headers, body).await;
        assert_eq!((status, &problem["code"], &problem["field"]), (400, &json!("malformed"), &json!(field)));
    }
    let long = Signed::body("msg_a", vec![b' '; 1024 * 1024]);
    let (status, problem) = shop.send(long.headers, long.body).await;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")));
    let long = Signed::body("msg_a", vec![b' '; 64 * 1024 + 1]);
    assert_eq!(shop.send(long.headers, long.body).await.0, 413);

    let other: AttemptId = format!("{order}-2").parse().unwrap();
    let (status, problem) = shop.callback("msg_b", paid(other)).await;
    assert_eq!((status, &problem["code"]), (404, &json!("attempt_not_found")));
    let refund = CallbackEvent::Refund {
        refund: RefundId::new(format!("{attempt}-r1")).unwrap(),
        attempt,
        money: euros(PRICE),
        state: RefundState::Succeeded,
    };
    let (status, problem) = shop.callback("msg_b", refund).await;
    assert_eq!((status, &problem["code"]), (404, &json!("refund_not_found")));

    assert_eq!(shop.ask_listener(Method::GET, CALLBACKS).await.0, 405);
    assert_eq!(shop.ask_listener(Method::POST, "/v1/sales").await.0, 404, "operators have another port");
    assert_eq!(shop.state(order).await, OrderState::Confirmed);
    // The id of a callback that was refused is not used up.
    assert_eq!(shop.callback("msg_b", paid(attempt)).await.0, 204);
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.stop().await;
}

#[tokio::test]
async fn a_callback_that_changes_nothing_is_acknowledged() {
    let mut shop = Shop::start().await;
    let order = shop.order(LATER).await;
    let attempt = shop.attempt(order).await;
    for (id, event) in [
        ("msg_1", paid(attempt)),
        ("msg_1", paid(attempt)),
        ("msg_2", paid(attempt)),
        ("msg_3", CallbackEvent::Closed { attempt }),
        ("msg_4", CallbackEvent::Unknown { kind: "payout.sent".to_owned() }),
    ] {
        assert_eq!(shop.callback(id, event).await.0, 204, "{id}");
    }
    assert_eq!(shop.events(order).await.len(), 1);
    assert!(shop.refunds(order).await.is_empty());
    shop.stop().await;
}

#[tokio::test]
async fn a_wrong_amount_or_currency_is_recorded_and_refunded_and_the_order_can_still_be_paid() {
    for (behaviour, taken) in [
        ("wrong_amount", euros(PRICE + 1)),
        ("wrong_currency", Money::new(PRICE, "XTS".parse().unwrap()).unwrap()),
    ] {
        let mut shop = Shop::start().await;
        let order = shop.order(LATER).await;
        let first = shop.attempt(order).await;
        assert_eq!(shop.pay(first, behaviour).await, 200);
        let refunded = async || {
            let refunds = shop.refunds(order).await;
            refunds.first().is_some_and(|refund| refund.state == RefundState::Succeeded)
        };
        eventually("the money is refunded", refunded).await;
        let [refund] = &shop.refunds(order).await[..] else { panic!("one refund") };
        assert_eq!((refund.money, refund.cause), (taken, RefundCause::WrongAmount));
        let [attempt] = shop.attempts(order).await[..] else { panic!("one attempt") };
        assert_eq!((attempt.state, attempt.taken), (AttemptState::Paid, Some(taken)));
        assert_eq!(shop.state(order).await, OrderState::Confirmed);

        let second = shop.attempt(order).await;
        assert_eq!(second.number.get(), 2);
        assert_eq!(shop.pay(second, "prompt").await, 200);
        shop.becomes(order, OrderState::Paid).await;
        assert_eq!(shop.refunds(order).await.len(), 1);
        shop.stop().await;
    }
}
