//! From a configuration file to the answer on the wire: a whole gateway, on a ledger in a file and a broker that takes every
//! message, asked over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod gateway;
mod servers;

use gateway::Gateway;

#[tokio::test]
async fn a_buyer_is_answered_and_a_retry_gets_the_same_order() {
    let gateway = Gateway::start("").await;
    let first = gateway.buy("alice", "k1").await;
    assert_eq!(first.status, 202, "{first:?}");
    let again = gateway.buy("alice", "k1").await;
    assert_eq!((again.status, &again.body["order_id"]), (202, &first.body["order_id"]));
    assert_eq!(gateway.buy("bob", "k2").await.status, 202);
    let sold_out = gateway.buy("carol", "k3").await;
    assert_eq!((sold_out.status, &sold_out.body["code"]), (409, &"sold_out".into()));
    gateway.stop().await;
}

#[tokio::test]
async fn the_settings_of_batches_reach_the_answer() {
    let gateway = Gateway::start("[batcher]\nbacklog_orders_max = 1").await;
    assert_eq!(gateway.buy("alice", "k1").await.status, 202);
    let refused = gateway.buy("bob", "k2").await;
    assert_eq!((refused.status, &refused.body["code"]), (503, &"backlog_full".into()), "{refused:?}");
    assert_eq!(refused.body["retry_safe"], true);
    gateway.stop().await;
}

#[tokio::test]
async fn the_settings_of_listeners_reach_the_answer() {
    let gateway = Gateway::start("body_timeout_ms = 20").await;
    let late = gateway.buy_without_body("alice", "k1").await;
    assert_eq!((late.status, &late.body["code"]), (408, &"body_timeout".into()), "{late:?}");
    gateway.stop().await;
}
