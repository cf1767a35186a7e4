//! Refunds.

use flashgate_domain::{RefundState, non_zero};
use flashgate_payments::{
    callback::CallbackEvent,
    http::{HttpProvider, HttpProviderConfig},
    provider::{PaymentProvider, ProviderError},
};
use serde_json::json;

use crate::harness::{World, attempt, euros, refund};

/// A program with a paid attempt, whose refunds behave so.
async fn paid(behaviour: &str) -> World {
    let world = World::start(&["--refund-behaviour", behaviour]).await;
    world.pay(attempt(1), "prompt").await;
    let mut world = world;
    world.callback().await;
    world
}

fn reported(id: &str, minor: u64, state: RefundState) -> CallbackEvent {
    CallbackEvent::Refund {
        refund: refund(id, minor).refund,
        attempt: attempt(1),
        money: euros(minor),
        state,
    }
}

#[tokio::test]
async fn a_refund_with_the_same_key_is_the_same_refund() {
    let mut world = paid("succeed").await;
    for _call in 0..3 {
        assert_eq!(world.provider.refund(&refund("r1", 1_999)).await, Ok(RefundState::Succeeded));
    }
    assert_eq!(world.callback().await.event, reported("r1", 1_999, RefundState::Succeeded));
    world.no_callback().await;
    let (_status, page) = world.get("/refunds").await;
    let entry = json!({
        "refund_id": "r1", "state": "succeeded", "attempt_id": "1024-1", "amount_minor": 1999, "currency": "EUR"
    });
    assert_eq!(page["items"], json!([entry]));
    let other = world.provider.refund(&refund("r1", 1_000)).await.unwrap_err();
    assert!(
        matches!(&other, ProviderError::Refused { code, .. } if code == "idempotency_key_reused"),
        "{other}"
    );
    let more = world.provider.refund(&refund("r2", 1)).await.unwrap_err();
    assert!(matches!(&more, ProviderError::Refused { code, .. } if code == "amount_refused"), "{more}");
}

#[tokio::test]
async fn a_refund_of_no_payment_is_refused() {
    let world = World::start(&[]).await;
    let error = world.provider.refund(&refund("r1", 1)).await.unwrap_err();
    assert!(!error.can_succeed_later(), "{error}");
    world.provider.close(attempt(1)).await.unwrap();
    let error = world.provider.refund(&refund("r1", 1)).await.unwrap_err();
    assert!(matches!(&error, ProviderError::Refused { code, .. } if code == "attempt_not_paid"), "{error}");
}

#[tokio::test]
async fn a_refund_fails_as_often_as_scripted_and_then_succeeds() {
    let world = paid("failing:3").await;
    for _call in 0..3 {
        let error = world.provider.refund(&refund("r1", 1_999)).await.unwrap_err();
        assert_eq!(error, ProviderError::Unavailable { status: 500 });
    }
    assert_eq!(world.provider.refund(&refund("r1", 1_999)).await, Ok(RefundState::Succeeded));
}

#[tokio::test]
async fn a_pending_refund_succeeds_later() {
    let mut world = paid("pending:200").await;
    assert_eq!(world.provider.refund(&refund("r1", 1_999)).await, Ok(RefundState::Pending));
    assert_eq!(world.callback().await.event, reported("r1", 1_999, RefundState::Succeeded));
    assert_eq!(world.provider.refund(&refund("r1", 1_999)).await, Ok(RefundState::Succeeded));
}

#[tokio::test]
async fn a_refund_can_fail_after_it_succeeded() {
    let mut world = paid("succeed_then_fail:200").await;
    assert_eq!(world.provider.refund(&refund("r1", 1_999)).await, Ok(RefundState::Succeeded));
    assert_eq!(world.callback().await.event, reported("r1", 1_999, RefundState::Succeeded));
    assert_eq!(world.callback().await.event, reported("r1", 1_999, RefundState::Failed));
    assert_eq!(world.provider.refund(&refund("r1", 1_999)).await, Ok(RefundState::Failed));
    // The money is there again: another refund can return it.
    let again = json!({"behaviour": "succeed", "attempt_id": "1024-1"});
    assert_eq!(world.post("/refunds/behaviour", again).await.0, 204);
    assert_eq!(world.provider.refund(&refund("r2", 1_999)).await, Ok(RefundState::Succeeded));
}

#[tokio::test]
async fn a_refund_that_requires_action_waits_for_an_operator() {
    let mut world = paid("requires_action").await;
    assert_eq!(world.provider.refund(&refund("r1", 1_999)).await, Ok(RefundState::RequiresAction));
    assert_eq!(world.callback().await.event, reported("r1", 1_999, RefundState::RequiresAction));
    assert_eq!(world.post("/refunds/r1/state", json!({"state": "cancelled"})).await.0, 204);
    assert_eq!(world.callback().await.event, reported("r1", 1_999, RefundState::Cancelled));
    assert_eq!(world.post("/refunds/r1/state", json!({"state": "succeeded"})).await.0, 409);
    assert_eq!(world.post("/refunds/r9/state", json!({"state": "succeeded"})).await.0, 404);
}

#[tokio::test]
async fn a_refused_refund_is_refused_for_good() {
    let world = paid("refuse").await;
    let error = world.provider.refund(&refund("r1", 1_999)).await.unwrap_err();
    assert!(!error.can_succeed_later() && error.code() == "provider_refused", "{error}");
    assert_eq!(world.get("/refunds").await.1["items"], json!([]));
}

#[tokio::test]
async fn a_refund_whose_answer_never_comes_took_effect_once() {
    let mut world = paid("never_answer").await;
    let impatient = HttpProviderConfig { call_timeout_ms: non_zero!(200), ..world.config.clone() };
    let impatient = HttpProvider::new(&impatient).unwrap();
    for _call in 0..2 {
        let error = impatient.refund(&refund("r1", 1_999)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Timeout { .. }) && error.may_be_executed(), "{error}");
    }
    assert_eq!(world.callback().await.event, reported("r1", 1_999, RefundState::Succeeded));
    world.no_callback().await;
    assert_eq!(world.post("/refunds/behaviour", json!({"behaviour": "succeed"})).await.0, 204);
    assert_eq!(world.provider.refund(&refund("r1", 1_999)).await, Ok(RefundState::Succeeded));
}
