//! Callbacks: their order, their ids, and what happens if they are not acknowledged.

use flashgate_domain::AttemptId;
use flashgate_payments::{callback::CallbackEvent, provider::PaymentProvider, signature::Profile};
use serde_json::json;

use crate::harness::{World, attempt, euros, eventually};

fn paid(attempt: AttemptId) -> CallbackEvent {
    CallbackEvent::Paid { attempt, money: euros(1_999) }
}

#[tokio::test]
async fn a_payment_and_a_close_are_reported_in_both_profiles() {
    for profile in Profile::ALL {
        let mut world = World::with_profile(profile, &[]).await;
        world.pay(attempt(1), "prompt").await;
        assert_eq!(world.callback().await.event, paid(attempt(1)));
        world.provider.close(attempt(2)).await.unwrap();
        assert_eq!(world.callback().await.event, CallbackEvent::Closed { attempt: attempt(2) });
        world.no_callback().await;
    }
}

#[tokio::test]
async fn a_lost_callback_never_comes_and_a_late_one_does() {
    let mut world = World::start(&[]).await;
    world.pay(attempt(1), "lost").await;
    world.no_callback().await;
    world.pay(attempt(2), "late:600").await;
    world.no_callback().await;
    assert_eq!(world.callback().await.event, paid(attempt(2)));
}

#[tokio::test]
async fn a_doubled_callback_has_one_id() {
    let mut world = World::start(&[]).await;
    world.pay(attempt(1), "twice").await;
    let (first, second) = (world.callback().await, world.callback().await);
    assert_eq!(first, second);
    world.pay(attempt(2), "prompt").await;
    assert_ne!(world.callback().await.id, first.id);
}

#[tokio::test]
async fn a_reversal_follows_its_payment() {
    let mut world = World::start(&[]).await;
    world.pay(attempt(1), "reversed:300").await;
    assert_eq!(world.callback().await.event, paid(attempt(1)));
    let reversed = CallbackEvent::Reversed { attempt: attempt(1), money: euros(1_999) };
    assert_eq!(world.callback().await.event, reversed);
}

#[tokio::test]
async fn a_callback_is_sent_again_with_its_id_until_it_is_acknowledged() {
    let mut world = World::start(&[]).await;
    world.answer_callbacks_with(&[500, 302]);
    world.pay(attempt(1), "prompt").await;
    let first = world.callback().await;
    assert_eq!((world.callback().await, world.callback().await), (first.clone(), first));
    world.no_callback().await;
    let acknowledged = async || {
        let sent = world.get("/callbacks").await.1;
        sent["items"][0]["acknowledged"] == json!(true) && sent["items"][0]["deliveries"] == json!(3)
    };
    eventually(acknowledged).await;
}

#[tokio::test]
async fn a_callback_that_is_never_acknowledged_is_given_up() {
    let mut world = World::start(&[]).await;
    world.answer_callbacks_with(&[500; 10]);
    world.pay(attempt(1), "prompt").await;
    for _delivery in 0..4 {
        world.callback().await;
    }
    world.no_callback().await;
    let sent = world.get("/callbacks").await.1;
    assert_eq!(
        (&sent["items"][0]["acknowledged"], &sent["items"][0]["outcome"]),
        (&json!(false), &json!("500"))
    );
}

#[tokio::test]
async fn a_callback_is_replayed_by_its_id_and_by_its_attempt() {
    let mut world = World::start(&[]).await;
    world.pay(attempt(1), "prompt").await;
    let first = world.callback().await;
    for chosen in [json!({"callback_id": first.id.as_str()}), json!({"attempt_id": "1024-1"})] {
        assert_eq!(world.post("/callbacks/replay", chosen).await, (200, json!({"callbacks": 1})));
        assert_eq!(world.callback().await, first);
    }
    assert_eq!(world.post("/callbacks/replay", json!({"callback_id": "msg_0"})).await.0, 404);
}

#[tokio::test]
async fn the_program_shuts_down_in_order_although_callbacks_wait() {
    let mut world = World::start(&["--retry-schedule", "1h"]).await;
    world.answer_callbacks_with(&[500; 10]);
    world.pay(attempt(1), "late:60000").await;
    world.pay(attempt(2), "prompt").await;
    world.callback().await;
    assert_eq!(world.stop().await, Some(0));
}
