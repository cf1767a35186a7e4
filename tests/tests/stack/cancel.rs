//! Confirmed orders are cancelled, by buyers and operators: their units return once, in both layers, and are sold again.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{sync::Arc, time::Duration};

use flashgate_domain::{Actor, CancelReason, OrderId, OrderState, OrderStep};
use flashgate_operations::client::ClientError;
use flashgate_tests::{Answer, Deployment, Door, Heard, Purchase, SaleForm, SeenOrder, ask_all, eventually};
use futures::{StreamExt, stream};

const STOCK: u64 = 300;
const AT_ONCE: usize = 16;
const ARRIVAL: Duration = Duration::from_secs(30);
/// The steps of a cancellation at which a worker can die: `crates/order-store-mysql/src/lifecycle.rs`.
const STEPS: [&str; 2] = ["before_change_commit", "after_change_commit"];
const KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_third_of_the_buyers_and_the_operator_cancel_is_sold_again() {
    let shop = Deployment::of("cancel").gateways(2).workers(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(STOCK).limit(1)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let first = sell_out(&doors, Purchase::of_many(sale, "first", usize::try_from(STOCK).unwrap())).await;
    shop.conserved(sale, &first).await;
    for door in &doors {
        let late = door.buy(&Purchase::new(sale, "late", "late", 1)).await;
        assert_eq!(late, Answer::of_code("sold_out", false));
    }

    let (by_buyers, rest) = first.split_at(100);
    let (by_operator, kept) = rest.split_at(100);
    // Each twice at the same instant, at two gateways and over two protocols.
    let cancelled: Vec<[SeenOrder; 2]> = stream::iter(by_buyers)
        .map(async |heard| {
            let (order, buyer) = (heard.order().unwrap(), heard.purchase.buyer.as_str());
            let (one, other) =
                tokio::join!(doors[0].cancel(order, buyer), doors[1].cancel_grpc(order, buyer));
            [one.unwrap(), other.unwrap()]
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let by_buyer = SeenOrder {
        state: "cancelled".to_owned(),
        cancel_reason: "by_buyer".to_owned(),
        quantity: 1,
        version: 2,
    };
    assert!(cancelled.iter().flatten().all(|seen| *seen == by_buyer), "{cancelled:?}");
    let mut orders = shop.operator().orders;
    for heard in by_operator {
        let order = orders
            .make(OrderStep::Cancel, heard.order().unwrap(), "Zo\u{eb}", "asked by phone")
            .await
            .unwrap();
        assert_eq!(order.state, OrderState::Cancelled(CancelReason::ByOperator));
    }
    nobody_sees_an_older_state(&shop, &doors, by_buyers, &by_buyer).await;
    assert_eq!(doors[0].order(kept[0].order().unwrap(), &kept[0].purchase.buyer).await.unwrap().version, 1);

    let second =
        sell_out_again(&shop, &doors, &kept[0].purchase.buyer, Purchase::of_many(sale, "second", 300)).await;
    assert_eq!(second.iter().filter(|heard| heard.order().is_some()).count(), 200);
    let heard = [first.clone(), second].concat();
    let books = shop.conserved(sale, &heard).await;
    assert_eq!((books.confirmed_units(), books.ledger.totals.released), (STOCK, 200));
    assert_eq!(books.ledger.totals.available, 0);

    for heard in by_buyers.iter().chain(by_operator) {
        let events = orders.events(heard.order().unwrap()).await.unwrap();
        assert_eq!(events.iter().map(|event| event.version).collect::<Vec<_>>(), [2], "{events:?}");
    }
    let events = orders.events(by_operator[0].order().unwrap()).await.unwrap();
    assert_eq!(
        (events[0].actor.to_string(), events[0].cause.as_str()),
        ("operator:Zo\u{eb}".to_owned(), "asked by phone")
    );
    assert_eq!(orders.events(by_buyers[0].order().unwrap()).await.unwrap()[0].actor, Actor::Buyer);
    assert!(orders.events(kept[0].order().unwrap()).await.unwrap().is_empty());
    shop.stop().await;
}

/// Buys everything; nobody is refused.
async fn sell_out(doors: &[Door; 2], purchases: Vec<Purchase>) -> Vec<Heard> {
    let heard = ask_all(purchases, AT_ONCE, async |purchase: &Purchase| {
        doors[purchase.buyer.len() % 2].buy(purchase).await
    })
    .await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "{heard:?}");
    heard
}

/// Buys what was returned, once both gateways have heard of it. `holder` may not buy any more.
async fn sell_out_again(
    shop: &Deployment,
    doors: &[Door; 2],
    holder: &str,
    purchases: Vec<Purchase>,
) -> Vec<Heard> {
    eventually("all units are returned", ARRIVAL, async || {
        let returned = shop.gateway_metric("flashgate_gateway_returns_total", &[("result", "done")]).await;
        (returned >= 200.0).then_some(()).ok_or(returned.to_string())
    })
    .await;
    for (number, door) in doors.iter().enumerate() {
        eventually("the mark is lifted at each gateway", ARRIVAL, async || {
            // The stock is judged before the limit.
            let answer =
                door.buy(&Purchase::new(purchases[0].sale, holder, format!("more-{number}"), 1)).await;
            (answer == Answer::of_code("over_limit", false)).then_some(()).ok_or(format!("{answer:?}"))
        })
        .await;
    }
    ask_all(purchases, AT_ONCE, async |purchase: &Purchase| doors[purchase.key.len() % 2].buy(purchase).await)
        .await
}

async fn nobody_sees_an_older_state(
    shop: &Deployment,
    doors: &[Door; 2],
    heard: &[Heard],
    as_cancelled: &SeenOrder,
) {
    let mut orders = shop.operator().orders;
    for heard in heard {
        let (order, buyer) = (heard.order().unwrap(), &heard.purchase.buyer);
        for door in doors {
            assert_eq!(door.order(order, buyer).await.unwrap(), *as_cancelled);
            assert_eq!(door.order_grpc(order, buyer).await.unwrap(), *as_cancelled);
        }
        let stored = orders.find(order).await.unwrap();
        assert_eq!((stored.state, stored.version), (OrderState::Cancelled(CancelReason::ByBuyer), 2));
        // The key keeps replaying the order, and buys no second one.
        assert_eq!(doors[0].buy(&heard.purchase).await, Answer::Replayed(order));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_cancelled_by_nobody_else_and_only_if_there_is_one() {
    let shop = Deployment::of("cancel-errors").gateways(1).workers(1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(10)).await;
    let door = shop.gateways[0].door();
    let Answer::Accepted(order) = door.buy(&Purchase::new(sale, "anna", "a", 1)).await else {
        panic!("refused")
    };
    let unknown = OrderId::new(1 << 40).unwrap();
    for (order, buyer) in [(order, "bob"), (unknown, "anna")] {
        assert_eq!(door.cancel(order, buyer).await, Err("order_not_found".to_owned()));
        assert_eq!(door.cancel_grpc(order, buyer).await, Err("order_not_found".to_owned()));
    }
    let mut orders = shop.operator().orders;
    assert_eq!(
        orders.make(OrderStep::Cancel, unknown, "ops", "").await.unwrap_err().code(),
        "order_not_found"
    );
    for (operator, cause, named) in [("", "", "operator"), ("ops", "a\0", "cause")] {
        let refused = orders.make(OrderStep::Cancel, order, operator, cause).await.unwrap_err();
        assert!(
            matches!(&refused, ClientError::Refused(why) if why.field.as_ref().is_some_and(|field| field.name == named)),
            "{refused:?}"
        );
    }
    shop.settled(sale).await;
    assert_eq!(door.order(order, "anna").await.unwrap().state, "confirmed");
    shop.stop().await;
}

/// Whatever a worker was doing when it died, the order is cancelled once the buyer was told so, and its unit returns
/// once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_in_a_cancellation_returns_each_unit_once() {
    let mut shop = Deployment::of("cancel-killed").gateways(1).workers(1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000)).await;
    let door = shop.gateways[0].door();
    let purchases = Purchase::of_many(sale, "buyer", KILLS * 4);
    let heard = ask_all(purchases, AT_ONCE, async |purchase: &Purchase| door.buy(purchase).await).await;
    shop.settled(sale).await;
    let heard = Arc::new(heard);
    shop.workers[0].process.kill().await;
    for kill in 0..KILLS {
        shop.workers[0].start_armed(&format!("{}:{}", STEPS[kill % STEPS.len()], kill % 3 + 1));
        shop.workers[0].ready().await;
        let (heard, door) = (Arc::clone(&heard), door.clone());
        let cancelling = tokio::spawn(async move {
            for heard in &heard[kill * 4..kill * 4 + 4] {
                // The worker dies: some of these fail, and whether they happened is unknown.
                let _unknown = door.cancel(heard.order().unwrap(), &heard.purchase.buyer).await;
            }
        });
        shop.workers[0].process.crashed().await;
        cancelling.await.unwrap();
    }
    shop.workers[0].start();
    shop.workers[0].ready().await;
    for heard in heard.iter() {
        let cancelled = eventually("the order is cancelled", ARRIVAL, async || {
            door.cancel(heard.order().unwrap(), &heard.purchase.buyer).await
        })
        .await;
        assert_eq!((cancelled.state.as_str(), cancelled.version), ("cancelled", 2));
    }
    let books = shop.conserved(sale, &heard).await;
    assert_eq!((books.confirmed_units(), books.ledger.totals.available), (0, 1_000));
    shop.stop().await;
}
