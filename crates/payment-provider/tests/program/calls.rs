//! Queries and closes.

use flashgate_domain::non_zero;
use flashgate_payments::{
    http::{HttpProvider, HttpProviderConfig},
    provider::{AttemptStatus, Closing, PaymentProvider, ProviderError},
};
use serde_json::json;

use crate::harness::{World, attempt, euros, eventually};

#[tokio::test]
async fn an_attempt_is_unseen_then_paid() {
    let world = World::start(&[]).await;
    assert_eq!(world.provider.query(attempt(1)).await, Ok(AttemptStatus::Unseen));
    assert_eq!(world.pay(attempt(1), "prompt").await, 200);
    let paid = AttemptStatus::Paid { money: euros(1_999) };
    assert_eq!(world.provider.query(attempt(1)).await, Ok(paid));
}

#[tokio::test]
async fn a_closed_attempt_cannot_be_paid_even_if_it_was_never_seen() {
    let world = World::start(&[]).await;
    assert_eq!(world.provider.close(attempt(1)).await, Ok(Closing::Closed));
    assert_eq!(world.pay(attempt(1), "prompt").await, 409);
    assert_eq!(world.provider.close(attempt(1)).await, Ok(Closing::Closed), "a close is idempotent");
    assert_eq!(world.provider.query(attempt(1)).await, Ok(AttemptStatus::Closed));
}

#[tokio::test]
async fn a_close_after_the_payment_says_that_it_is_paid() {
    let world = World::start(&[]).await;
    assert_eq!(world.pay(attempt(1), "lost").await, 200);
    let paid = Closing::AlreadyPaid { money: euros(1_999) };
    assert_eq!(world.provider.close(attempt(1)).await, Ok(paid));
    assert_eq!(world.pay(attempt(1), "lost").await, 200, "repeated: paid once");
    assert_eq!(world.pay(attempt(2), "reversed").await, 200);
    let reversed = Ok(Closing::AlreadyReversed { money: euros(1_999) });
    eventually(async || world.provider.close(attempt(2)).await == reversed).await;
}

#[tokio::test]
async fn of_a_payment_and_a_close_at_once_exactly_one_wins() {
    let world = World::start(&[]).await;
    for number in 1..=50 {
        let (paid, closed) =
            tokio::join!(world.pay(attempt(number), "lost"), world.provider.close(attempt(number)));
        let is_paid = closed == Ok(Closing::AlreadyPaid { money: euros(1_999) });
        assert!(is_paid || closed == Ok(Closing::Closed), "{closed:?}");
        assert_eq!(paid, if is_paid { 200 } else { 409 });
    }
}

#[tokio::test]
async fn a_slow_answer_times_out_although_the_call_took_effect() {
    let world = World::start(&[]).await;
    let script = json!({"behaviour": "slow:60000"});
    assert_eq!(world.post("/attempts/1024-1/behaviour", script).await.0, 204);
    let impatient = HttpProviderConfig { call_timeout_ms: non_zero!(200), ..world.config.clone() };
    let impatient = HttpProvider::new(&impatient).unwrap();
    let error = impatient.close(attempt(1)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Timeout { .. }) && error.may_be_executed(), "{error}");
    assert_eq!(world.pay(attempt(1), "prompt").await, 409, "the attempt is closed");
}

#[tokio::test]
async fn scripted_failures_come_as_often_as_scripted() {
    let world = World::start(&["--behaviour", "failing:1"]).await;
    let unavailable = ProviderError::Unavailable { status: 500 };
    assert_eq!(world.provider.query(attempt(1)).await, Err(unavailable.clone()));
    assert_eq!(world.provider.query(attempt(1)).await, Ok(AttemptStatus::Unseen));
    assert_eq!(world.pay(attempt(1), "failing:2").await, 200);
    for _call in 0..2 {
        assert_eq!(world.provider.close(attempt(1)).await, Err(unavailable.clone()));
    }
    assert_eq!(world.provider.close(attempt(1)).await, Ok(Closing::AlreadyPaid { money: euros(1_999) }));
}

#[tokio::test]
async fn wrong_amounts_and_currencies_are_reported_as_they_are() {
    let world = World::start(&[]).await;
    world.pay(attempt(1), "wrong_amount").await;
    assert_eq!(world.provider.query(attempt(1)).await, Ok(AttemptStatus::Paid { money: euros(2_000) }));
    world.pay(attempt(2), "wrong_currency").await;
    let AttemptStatus::Paid { money } = world.provider.query(attempt(2)).await.unwrap() else {
        panic!("not paid")
    };
    assert_eq!((money.minor(), money.currency().as_str()), (1_999, "XTS"));
}

#[tokio::test]
async fn a_caller_without_the_token_is_refused_everywhere_but_in_the_wallet() {
    let world = World::start(&[]).await;
    for path in ["/attempts", "/attempts/1024-1", "/refunds", "/callbacks"] {
        let (status, body) = world.anonymous(path).await;
        assert_eq!((status, &body["code"]), (401, &json!("unauthenticated")), "{path}");
    }
    assert_eq!(world.anonymous("/healthz/live").await.0, 200);
    let wrong =
        HttpProviderConfig { token: Some("token-of-the-merchanT".to_owned().into()), ..world.config.clone() };
    let error = HttpProvider::new(&wrong).unwrap().query(attempt(1)).await.unwrap_err();
    assert_eq!(error, ProviderError::AccessDenied { status: 401 });
}

#[tokio::test]
async fn invalid_requests_name_what_is_wrong() {
    let world = World::start(&[]).await;
    for (path, body, expected) in [
        ("/pay", json!({"attempt_id": "x", "amount_minor": 1, "currency": "EUR"}), "attempt_id must be"),
        ("/pay", json!({"attempt_id": "1-1", "amount_minor": 1, "currency": "eur"}), "currency must be"),
        ("/pay", json!({"attempt_id": "1-1", "amount_minor": 1}), "missing field `currency`"),
        ("/attempts/x/close", json!({}), "attempt_id must be"),
        ("/attempts/1-1/behaviour", json!({"behaviour": "kind"}), "must be prompt"),
        ("/refunds", json!({}), "header idempotency-key is required"),
        ("/refunds/r/state", json!({"state": "done"}), "state must be pending"),
        ("/callbacks/replay", json!({}), "callback_id or attempt_id is required"),
    ] {
        let (status, answer) = world.post(path, body).await;
        let detail = answer["detail"].as_str().unwrap_or_default();
        assert!(status == 400 && detail.contains(expected), "{path}: {status} {answer}");
    }
    assert_eq!(world.get("/attempts?limit=0").await.0, 400);
    assert_eq!(world.get("/else").await.0, 404);
    let (status, _body) = world.post("/pay", json!({"attempt_id": "1".repeat(10_000)})).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn attempts_are_listed_page_by_page() {
    let world = World::start(&[]).await;
    for number in 1..=3 {
        world.pay(attempt(number), "lost").await;
    }
    let (status, page) = world.get("/attempts?limit=2").await;
    assert_eq!((status, page["items"].as_array().unwrap().len()), (200, 2));
    assert_eq!(page["next"], "1024-2");
    let (_status, page) = world.get("/attempts?limit=2&after=1024-2").await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (1, &json!(null)));
    assert_eq!(page["items"][0]["state"], "paid");
}
