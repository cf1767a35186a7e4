//! Refunds: asked for until the provider has returned the money or refused it.

use std::time::Duration;

use flashgate_domain::{AttemptId, CancelReason, OrderId, OrderState, RefundCause, RefundState};
use serde_json::json;
use tokio::time::sleep;

use super::{
    LATER,
    shop::{PRICE, Shop, eventually, patient},
};

const REFUNDED: OrderState = OrderState::Refunded(CancelReason::ByOperator);
const REFUNDING: OrderState = OrderState::Refunding(CancelReason::ByOperator);

/// A paid order, and the attempt that paid it.
async fn paid(shop: &mut Shop) -> (OrderId, AttemptId) {
    let order = shop.order(LATER).await;
    let attempt = shop.attempt(order).await;
    assert_eq!(shop.pay(attempt, "prompt").await, 200);
    shop.becomes(order, OrderState::Paid).await;
    (order, attempt)
}

async fn cancel(shop: &Shop, order: OrderId) {
    let (status, cancelled) = shop.post(&format!("/v1/orders/{order}/cancel")).await;
    assert_eq!((status, &cancelled["state"]), (200, &json!("refunding")));
}

/// Waits until the last refund of an order has that state.
async fn becomes(shop: &Shop, order: OrderId, state: RefundState) {
    eventually(format!("a refund of {order} is {state}"), async || {
        shop.refunds(order).await.last().is_some_and(|refund| refund.state == state)
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_order_is_refunded_after_three_failures() {
    let mut shop = Shop::start().await;
    let (order, attempt) = paid(&mut shop).await;
    shop.script_refunds(attempt, "failing:3").await;
    cancel(&shop, order).await;
    let failed = async || shop.refunds(order).await[0].last_error.is_some();
    eventually("a failure is visible", failed).await;
    let (_status, listed) = shop.get(&format!("/v1/orders/{order}/payments")).await;
    let refund = &listed["refunds"][0];
    assert_eq!((&refund["state"], &refund["cause"]), (&json!("pending"), &json!("order_cancelled")));
    assert_eq!(refund["last_error"], "the payment provider is unavailable: status 500");
    assert_eq!(shop.state(order).await, REFUNDING, "not refunded before the provider says so");
    shop.becomes(order, REFUNDED).await;
    let [refund] = &shop.refunds(order).await[..] else { panic!("one refund") };
    assert_eq!((refund.tries, refund.state), (4, RefundState::Succeeded));
    assert_eq!((refund.cause, refund.money.minor()), (RefundCause::OrderCancelled, PRICE));
    assert_eq!(shop.provider_refunds().await, [(format!("{attempt}-r1"), "succeeded".to_owned())]);
    shop.stop().await;
}

#[tokio::test]
async fn a_refund_that_the_provider_refuses_is_visible_and_can_be_tried_again() {
    let mut shop = Shop::start().await;
    let (order, attempt) = paid(&mut shop).await;
    shop.script_refunds(attempt, "refuse").await;
    cancel(&shop, order).await;
    becomes(&shop, order, RefundState::Failed).await;
    let (_status, listed) = shop.get(&format!("/v1/orders/{order}/payments")).await;
    let error = listed["refunds"][0]["last_error"].as_str().unwrap();
    assert!(error.starts_with("the payment provider refuses the call: status 422"), "{error}");
    assert_eq!(listed["refunds"][0]["tries"], 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(shop.refunds(order).await[0].tries, 1, "it is not asked for again");
    assert_eq!(shop.state(order).await, REFUNDING);

    let path = |refund: &str| format!("/v1/orders/{order}/refunds/{refund}/retry");
    for (refund, status, code) in [
        (format!("{attempt}-r2"), 404, "refund_not_found"),
        ("1024-1-r1".to_owned(), 404, "refund_not_found"),
        ("r1".to_owned(), 404, "refund_not_found"),
        ("r.1".to_owned(), 400, "malformed"),
    ] {
        let (answered, problem) = shop.post(&path(&refund)).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{refund}");
    }
    shop.script_refunds(attempt, "succeed").await;
    let (status, retried) = shop.post(&path(&format!("{attempt}-r1"))).await;
    assert_eq!((status, &retried["refund_id"]), (200, &json!(format!("{attempt}-r2"))));
    shop.becomes(order, REFUNDED).await;
    let (status, covering) = shop.post(&path(&format!("{attempt}-r1"))).await;
    assert_eq!((status, &covering["refund_id"]), (200, &json!(format!("{attempt}-r2"))), "again");
    assert_eq!(covering["state"], "succeeded");
    assert_eq!(shop.refunds(order).await.len(), 2);
    shop.stop().await;
}

#[tokio::test]
async fn failed_may_follow_succeeded() {
    let mut shop = Shop::start().await;
    let (order, attempt) = paid(&mut shop).await;
    shop.script_refunds(attempt, "succeed_then_fail:500").await;
    cancel(&shop, order).await;
    shop.becomes(order, REFUNDED).await;
    shop.becomes(order, REFUNDING).await;
    assert_eq!(shop.refunds(order).await[0].state, RefundState::Failed);
    shop.script_refunds(attempt, "succeed").await;
    let path = format!("/v1/orders/{order}/refunds/{attempt}-r1/retry");
    assert_eq!(shop.post(&path).await.0, 200);
    shop.becomes(order, REFUNDED).await;
    shop.stop().await;
}

#[tokio::test]
async fn a_refund_that_waits_for_somebody_is_asked_for_until_it_is_done() {
    let mut shop = Shop::start().await;
    let (order, attempt) = paid(&mut shop).await;
    shop.script_refunds(attempt, "requires_action").await;
    cancel(&shop, order).await;
    becomes(&shop, order, RefundState::RequiresAction).await;
    eventually("it is asked for again", async || shop.refunds(order).await[0].tries >= 3).await;
    let moved =
        shop.ask_provider(&format!("/refunds/{attempt}-r1/state"), json!({"state": "succeeded"})).await;
    assert_eq!(moved.0, 204);
    shop.becomes(order, REFUNDED).await;
    shop.stop().await;
}

#[tokio::test]
async fn an_operator_does_not_end_a_refund_that_the_provider_makes() {
    let mut shop = Shop::start().await;
    let (order, attempt) = paid(&mut shop).await;
    shop.script_refunds(attempt, "pending:1500").await;
    cancel(&shop, order).await;
    let (status, problem) = shop.post(&format!("/v1/orders/{order}/refund")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("order_state_conflict")));
    shop.becomes(order, REFUNDED).await;
    shop.stop().await;
}

#[tokio::test]
async fn a_worker_that_dies_between_the_refund_and_its_record_returns_money_once() {
    let mut shop = Shop::with(patient).await;
    let (order, attempt) = paid(&mut shop).await;
    // The money is returned at once, and neither the answer nor a callback tells so.
    shop.miss_callbacks().await;
    shop.script_refunds(attempt, "never_answer").await;
    cancel(&shop, order).await;
    let asked = async || !shop.provider_refunds().await.is_empty();
    eventually("the provider has the refund", asked).await;
    shop.kill().await;
    assert_eq!(
        (shop.state(order).await, shop.refunds(order).await[0].state),
        (REFUNDING, RefundState::Pending)
    );
    shop.script_refunds(attempt, "succeed").await;
    shop.work().await;
    shop.becomes(order, REFUNDED).await;
    let [refund] = &shop.refunds(order).await[..] else { panic!("one refund") };
    assert_eq!(refund.state, RefundState::Succeeded);
    assert_eq!(shop.provider_refunds().await, [(format!("{attempt}-r1"), "succeeded".to_owned())]);
    shop.stop().await;
}
