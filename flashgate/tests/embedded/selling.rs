//! A deployment in one process sells, ends in order, and goes on where it stopped.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    door::{buy, cancel, open_sale, order_state, sale},
    process::Serve,
};

pub(crate) const DECIDED_MAX: Duration = Duration::from_secs(30);

/// Waits until the order is decided.
pub(crate) async fn decided(serve: &Serve, order: &str, buyer: &str) -> String {
    becomes(serve, order, buyer, |state| state != "pending").await
}

/// Waits until the order is in a state that is meant.
pub(crate) async fn becomes(
    serve: &Serve,
    order: &str,
    buyer: &str,
    is_meant: impl Fn(&str) -> bool,
) -> String {
    let deadline = Instant::now() + DECIDED_MAX;
    loop {
        match order_state(serve.http, order, buyer).await {
            Some(state) if is_meant(&state) => return state,
            other => assert!(Instant::now() < deadline, "order {order} of {buyer} is still {other:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_sells_ends_with_sigterm_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path()).await;
    let id = open_sale(&serve, 2, 1).await;
    let (status, first) = buy(serve.http, id, "alice", "k1").await.unwrap();
    assert_eq!(status, 202, "{first}");
    let order = first["order_id"].as_str().unwrap().to_owned();
    assert_eq!(decided(&serve, &order, "alice").await, "confirmed");
    assert_eq!(serve.stop().await, Some(0));

    let serve = Serve::start(folder.path()).await;
    assert!(serve.told.contains(&format!("Buy from sale {id}")), "{}", serve.told);
    let (status, again) = buy(serve.http, id, "alice", "k1").await.unwrap();
    assert_eq!((status, again["order_id"].as_str()), (202, Some(order.as_str())));
    assert_eq!(buy(serve.http, id, "alice", "k2").await.unwrap().0, 409, "over the limit");
    assert_eq!(buy(serve.http, id, "bob", "k1").await.unwrap().0, 202);
    assert_eq!(buy(serve.http, id, "carol", "k1").await.unwrap().0, 409, "sold out");
    let deadline = Instant::now() + DECIDED_MAX;
    while sale(serve.operator, id).await["saleable"] != 0 {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(serve.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_order_is_sold_to_somebody_else_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path()).await;
    let id = open_sale(&serve, 1, 1).await;
    let (_status, first) = buy(serve.http, id, "alice", "k1").await.unwrap();
    let order = first["order_id"].as_str().unwrap().to_owned();
    assert_eq!(decided(&serve, &order, "alice").await, "confirmed");
    assert_eq!(buy(serve.http, id, "bob", "k1").await.unwrap().0, 409, "sold out");
    assert_eq!(cancel(serve.http, &order, "bob").await.0, 404, "another buyer's order");
    let (status, cancelled) = cancel(serve.http, &order, "alice").await;
    assert_eq!((status, cancelled["state"].as_str()), (200, Some("cancelled")), "{cancelled}");
    assert_eq!(serve.stop().await, Some(0));

    let serve = Serve::start(folder.path()).await;
    assert_eq!(cancel(serve.http, &order, "alice").await, (200, cancelled), "as it is");
    let deadline = Instant::now() + DECIDED_MAX;
    let order = loop {
        let (status, body) = buy(serve.http, id, "bob", "k2").await.unwrap();
        if status == 202 {
            break body["order_id"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{body}");
        sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(decided(&serve, &order, "bob").await, "confirmed");
    assert_eq!(serve.stop().await, Some(0));

    // What was returned is known from the file.
    let serve = Serve::start(folder.path()).await;
    assert_eq!(buy(serve.http, id, "carol", "k1").await.unwrap().0, 409, "sold out");
    assert_eq!(sale(serve.operator, id).await["saleable"], 0);
    assert_eq!(serve.stop().await, Some(0));
}
