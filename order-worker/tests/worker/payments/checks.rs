//! Attempts without a callback: the provider is asked, and an attempt is closed before its order is cancelled.

use std::time::Duration;

use flashgate_domain::{Actor, AttemptState, CancelReason, OrderState, RefundCause, RefundState};
use flashgate_order_store::{OrderRepository, SaleRepository};
use serde_json::json;
use tokio::time::sleep;
use tonic::Code;

use super::{
    LATER, SOON, TIMED_OUT,
    shop::{PRICE, Shop, eventually, patient},
};

#[tokio::test]
async fn a_payment_whose_callback_is_lost_is_found_by_a_query() {
    let mut shop = Shop::with(|config| config.check_first_ms = 300.try_into().unwrap()).await;
    let order = shop.order(LATER).await;
    let attempt = shop.attempt(order).await;
    // It is asked about before it is paid, and again.
    eventually("a check", async || shop.attempts(order).await[0].tries > 0).await;
    assert_eq!(shop.attempts(order).await[0].state, AttemptState::Open);
    assert_eq!(shop.pay(attempt, "lost").await, 200);
    shop.becomes(order, OrderState::Paid).await;
    assert!(shop.attempts(order).await[0].tries >= 2);
    shop.stop().await;
}

#[tokio::test]
async fn checks_of_an_attempt_become_rarer() {
    let mut shop = Shop::with(|config| {
        (config.check_first_ms, config.check_max_ms) = (1.try_into().unwrap(), 60_000.try_into().unwrap());
    })
    .await;
    let order = shop.order(LATER).await;
    shop.attempt(order).await;
    sleep(Duration::from_secs(6)).await;
    // Each second is looked for what is due; the pauses grow from 1 ms.
    let tries = shop.attempts(order).await[0].tries;
    assert!((2..=7).contains(&tries), "{tries}");
    shop.stop().await;
}

#[tokio::test]
async fn an_order_is_cancelled_only_after_its_attempt_is_closed() {
    let mut shop = Shop::start().await;
    let order = shop.order(SOON).await;
    let attempt = shop.attempt(order).await;
    shop.becomes(order, TIMED_OUT).await;
    let [event] = &shop.events(order).await[..] else { panic!("one transition") };
    assert_eq!(event.actor, Actor::Deadline);
    let [closed] = shop.attempts(order).await[..] else { panic!("one attempt") };
    assert_eq!(closed.state, AttemptState::Closed);
    // It is closed at the provider.
    assert_eq!(shop.pay(attempt, "prompt").await, 409);
    let found = shop.store.order(order).await.unwrap().unwrap();
    let sale = shop.store.sale(found.intent.sale()).await.unwrap().unwrap();
    assert_eq!((sale.saleable, sale.returned), (100, 1));
    shop.stop().await;
}

#[tokio::test]
async fn already_paid_wins_over_the_deadline() {
    let mut shop = Shop::start().await;
    let order = shop.order(SOON).await;
    let attempt = shop.attempt(order).await;
    assert_eq!(shop.pay(attempt, "lost").await, 200);
    shop.becomes(order, OrderState::Paid).await;
    let found = shop.store.order(order).await.unwrap().unwrap();
    let [event] = &shop.events(order).await[..] else { panic!("one transition") };
    assert!(event.at >= found.pay_by.unwrap(), "it was found by the close");
    assert!(shop.refunds(order).await.is_empty());
    shop.stop().await;
}

#[tokio::test]
async fn an_overdue_order_gets_no_further_attempt() {
    let (mut shop, _silent) = Shop::frozen().await;
    let order = shop.order(SOON).await;
    shop.attempt(order).await;
    sleep(SOON).await;
    let overdue = shop.open(order).await.unwrap_err();
    assert_eq!(
        (overdue.code(), overdue.message()),
        (Code::FailedPrecondition, "the payment deadline of the order has passed")
    );
    assert_eq!(shop.attempts(order).await.len(), 1);
    shop.stop().await;
}

#[tokio::test]
async fn money_that_arrives_for_a_cancelled_order_is_refunded_once() {
    let mut shop = Shop::start().await;
    let order = shop.order(LATER).await;
    let attempt = shop.attempt(order).await;
    assert_eq!(shop.pay(attempt, "late:700").await, 200);
    assert_eq!(shop.post(&format!("/v1/orders/{order}/cancel")).await.0, 200);
    let refunded = async || {
        let refunds = shop.refunds(order).await;
        refunds.first().is_some_and(|refund| refund.state == RefundState::Succeeded)
    };
    eventually("the money is refunded", refunded).await;
    // The late callback, and a replay of it.
    sleep(Duration::from_secs(1)).await;
    shop.ask_provider("/callbacks/replay", json!({"attempt_id": attempt.to_string()})).await;
    sleep(Duration::from_millis(500)).await;
    let [refund] = &shop.refunds(order).await[..] else { panic!("one refund") };
    assert_eq!((refund.cause, refund.money.minor()), (RefundCause::LatePayment, PRICE));
    assert_eq!(shop.provider_refunds().await, [(format!("{attempt}-r1"), "succeeded".to_owned())]);
    assert_eq!(shop.state(order).await, OrderState::Cancelled(CancelReason::ByOperator));
    shop.stop().await;
}

#[tokio::test]
async fn a_second_payment_is_refunded() {
    let mut shop = Shop::start().await;
    let order = shop.order(LATER).await;
    let attempt = shop.attempt(order).await;
    // In cash, while the buyer is at the provider.
    assert_eq!(shop.pay(attempt, "lost").await, 200);
    assert_eq!(shop.post(&format!("/v1/orders/{order}/pay")).await.0, 200);
    let refunded = async || {
        let refunds = shop.refunds(order).await;
        refunds.first().is_some_and(|refund| refund.state == RefundState::Succeeded)
    };
    eventually("the money is refunded", refunded).await;
    assert_eq!(shop.refunds(order).await[0].cause, RefundCause::SecondPayment);
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.stop().await;
}

#[tokio::test]
async fn a_payment_that_the_provider_takes_back_takes_its_order_back() {
    let mut shop = Shop::start().await;
    let order = shop.order(LATER).await;
    let attempt = shop.attempt(order).await;
    assert_eq!(shop.pay(attempt, "reversed:300").await, 200);
    shop.becomes(order, OrderState::Refunded(CancelReason::PaymentReversed)).await;
    assert_eq!(shop.attempts(order).await[0].state, AttemptState::Reversed);
    assert!(shop.provider_refunds().await.is_empty());
    shop.stop().await;
}

#[tokio::test]
async fn a_provider_that_fails_is_asked_until_it_answers() {
    let mut shop = Shop::with(|config| {
        (config.check_first_ms, config.check_max_ms) = (50.try_into().unwrap(), 100.try_into().unwrap());
    })
    .await;
    let order = shop.order(SOON).await;
    let attempt = shop.attempt(order).await;
    let body = json!({"behaviour": "failing:3"});
    assert_eq!(shop.ask_provider(&format!("/attempts/{attempt}/behaviour"), body).await.0, 204);
    let degraded = async || shop.text("/healthz/ready").await.1.contains("degraded: payment_provider");
    eventually("the worker says that the provider fails", degraded).await;
    shop.becomes(order, TIMED_OUT).await;
    eventually("the worker says that it does no more", async || {
        shop.text("/healthz/ready").await.1.contains("degraded: none")
    })
    .await;
    shop.stop().await;
}

#[tokio::test]
async fn while_the_provider_is_frozen_nothing_is_cancelled_and_the_worker_works() {
    let (mut shop, silent) = Shop::frozen().await;
    // More than are checked at the same time, and one that nobody tries to pay.
    let orders = shop.orders(24, SOON).await;
    let unpaid = shop.order(SOON).await;
    for order in &orders {
        shop.attempt(*order).await;
    }
    shop.becomes(unpaid, TIMED_OUT).await;
    sleep(Duration::from_secs(4)).await;
    let (status, ready) = shop.text("/healthz/ready").await;
    assert!(status == 200 && ready.contains("degraded: payment_provider"), "{status} {ready}");
    for order in &orders {
        assert_eq!(shop.state(*order).await, OrderState::Confirmed);
    }
    let mut tries = 0;
    for order in &orders {
        tries += shop.attempts(*order).await[0].tries;
    }
    assert!(tries >= 32, "the loop goes on: {tries}");
    shop.stop().await;
    drop(silent);

    shop.thaw();
    shop.work().await;
    for order in orders {
        shop.becomes(order, TIMED_OUT).await;
    }
    let (status, ready) = shop.text("/healthz/ready").await;
    assert!(status == 200 && ready.contains("degraded: none"), "{status} {ready}");
    shop.stop().await;
}

#[tokio::test]
async fn a_worker_that_dies_in_a_check_leaves_it_to_the_next_one() {
    let mut shop = Shop::with(patient).await;
    shop.miss_callbacks().await;
    let order = shop.order(SOON).await;
    let attempt = shop.attempt(order).await;
    let body = json!({"behaviour": "slow:2500"});
    assert_eq!(shop.ask_provider(&format!("/attempts/{attempt}/behaviour"), body).await.0, 204);
    // It is closed there at once, and the answer comes later.
    eventually("the close", async || shop.attempts(order).await[0].tries > 0).await;
    shop.kill().await;
    assert_eq!(shop.state(order).await, OrderState::Confirmed);
    shop.work().await;
    shop.becomes(order, TIMED_OUT).await;
    assert_eq!(shop.events(order).await.len(), 1);
    shop.stop().await;
}
