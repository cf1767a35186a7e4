//! Orders that are not paid in time are cancelled, by three ways of which each suffices: their units return once, in both
//! layers, and are sold again. Orders that are paid stay.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{sync::Arc, time::Duration};

use flashgate_domain::{Actor, CancelReason, Clock, OrderId, OrderState, OrderStep, SaleId, SystemClock};
use flashgate_tests::{
    Answer, Books, Deployment, Heard, Purchase, SaleForm, ask_all, eventually,
    own_stack::{OwnStack, Part},
};
use futures::future::join_all;
use tokio::time::sleep;

const AT_ONCE: usize = 16;
const ARRIVAL: Duration = Duration::from_secs(60);
const NEVER_MS: u64 = 3_600_000;
const TIMED_OUT: OrderState = OrderState::Cancelled(CancelReason::Timeout);
/// The steps of a sweep at which a worker can die: `crates/order-store-mysql/src/deadlines.rs`.
const STEPS: [&str; 2] = ["before_expire_commit", "after_expire_commit"];
const KILLS: usize = 20;

/// Buys, one unit a buyer; nobody is refused.
async fn buy(shop: &Deployment, sale: SaleId, buyers: &str, count: usize) -> Vec<Heard> {
    let doors: Vec<_> = shop.gateways.iter().map(|gateway| gateway.door()).collect();
    let heard = ask_all(Purchase::of_many(sale, buyers, count), AT_ONCE, async |purchase: &Purchase| {
        doors[purchase.buyer.len() % doors.len()].buy(purchase).await
    })
    .await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "{heard:?}");
    heard
}

fn orders(heard: &[Heard]) -> Vec<OrderId> {
    heard.iter().map(|heard| heard.order().unwrap()).collect()
}

/// Waits until that many orders of the sale have timed out, without a look-up, which would close them.
async fn timed_out(shop: &Deployment, sale: SaleId, count: usize) {
    eventually("the unpaid orders are cancelled", ARRIVAL, async || {
        let rows = shop.store.orders(sale).await;
        let cancelled = rows.iter().filter(|row| row.reason == "timeout").count();
        (cancelled == count).then_some(()).ok_or(format!("{cancelled} of {count}"))
    })
    .await;
}

fn units(books: &Books, reason: &str) -> usize {
    books.orders.iter().filter(|row| row.reason == reason).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_third_of_the_buyers_does_not_pay_is_sold_again() {
    let plan = Deployment::of("timeouts").gateways(2).workers(2);
    let shop = plan.worker_setting("lifecycle.sweep_interval_ms", NEVER_MS).start().await;
    let pay_within = Duration::from_secs(15);
    let sale = shop.open_sale(SaleForm::of_stock(300).limit(1).pay_within(pay_within)).await;
    let began_at = SystemClock.now();
    let heard = buy(&shop, sale, "first", 300).await;
    shop.settled(sale).await;

    let mut operator = shop.operator().orders;
    let (paid, rest) = heard.split_at(100);
    let (cancelled, unpaid) = rest.split_at(100);
    for order in orders(paid) {
        let paid = operator.make(OrderStep::Pay, order, "till 3", "cash").await.unwrap();
        assert_eq!((paid.state, paid.version), (OrderState::Paid, 2));
        let pay_by = paid.pay_by.unwrap();
        assert_eq!(pay_by, paid.created_at.saturating_add(pay_within));
        assert!(pay_by > began_at.saturating_add(pay_within), "{pay_by:?}");
    }
    for heard in cancelled {
        let door = shop.gateways[0].door();
        door.cancel(heard.order().unwrap(), &heard.purchase.buyer).await.unwrap();
    }
    timed_out(&shop, sale, 100).await;
    for order in orders(unpaid) {
        let found = operator.find(order).await.unwrap();
        assert_eq!((found.state, found.version), (TIMED_OUT, 2));
        let events = operator.events(order).await.unwrap();
        let [event] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((&event.actor, event.to), (&Actor::Deadline, TIMED_OUT));
        assert!(event.at >= found.pay_by.unwrap(), "cancelled before its deadline: {event:?}");
    }
    let by_timers = shop.worker_metric("flashgate_worker_expired_orders_total", &[("by", "timer")]).await;
    let by_sweeps = shop.worker_metric("flashgate_worker_expired_orders_total", &[("by", "sweep")]).await;
    assert_eq!((by_timers, by_sweeps), (100.0, 0.0), "no sweep is due");

    let books = shop.conserved(sale, &heard).await;
    assert_eq!((books.confirmed_units(), books.ledger.totals.released), (100, 200));
    let door = shop.gateways[1].door();
    eventually("the returned units are on sale", ARRIVAL, async || {
        let answer = door.buy(&Purchase::new(sale, "again", "again", 1)).await;
        matches!(answer, Answer::Accepted(_)).then_some(()).ok_or(format!("{answer:?}"))
    })
    .await;
    // A buyer whose order has timed out may buy again, with another key; the old one keeps answering.
    let (order, Purchase { buyer, key, .. }) = (unpaid[0].order().unwrap(), &unpaid[0].purchase);
    assert_eq!(door.buy(&Purchase::new(sale, buyer, key, 1)).await, Answer::Replayed(order));
    let again = door.buy(&Purchase::new(sale, buyer, "second", 1)).await;
    assert!(matches!(again, Answer::Accepted(_)), "{again:?}");
    shop.stop().await;
}

/// Payments in the same tenth of a second as the deadline: whichever hits the row of the order first.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_and_the_deadline_of_an_order_are_never_both_right() {
    let shop = Deployment::of("pay-race").gateways(1).workers(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(200).pay_within(Duration::from_secs(8))).await;
    let heard = buy(&shop, sale, "racer", 200).await;
    let mut operator = shop.operator().orders;
    eventually("all orders are placed", ARRIVAL, async || {
        let placed = shop.store.orders(sale).await.len();
        (placed == 200).then_some(()).ok_or(placed.to_string())
    })
    .await;
    let deadline = operator.find(heard[100].order().unwrap()).await.unwrap().pay_by.unwrap();
    sleep(deadline.saturating_since(SystemClock.now()).saturating_sub(Duration::from_millis(50))).await;
    let workers: Vec<_> = shop.workers.iter().map(|worker| worker.operator().orders).collect();
    let paying = orders(&heard).into_iter().enumerate().map(|(number, order)| {
        let mut worker = workers[number % 2].clone();
        async move {
            sleep(Duration::from_millis(u64::try_from(number / 2).unwrap())).await;
            worker.make(OrderStep::Pay, order, "ops", "").await.map(|order| order.state)
        }
    });
    let answers = join_all(paying).await;
    let paid = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(answers.iter().flatten().all(|state| *state == OrderState::Paid), "{answers:?}");
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(refused.code(), "order_state_conflict", "{refused:?}");
    }
    timed_out(&shop, sale, 200 - paid).await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), u64::try_from(paid).unwrap());
    for (order, answer) in orders(&heard).into_iter().zip(&answers) {
        let state = operator.find(order).await.unwrap().state;
        assert_eq!(state, if answer.is_ok() { OrderState::Paid } else { TIMED_OUT });
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_shipped_finished_and_refunded_only_in_turn() {
    let shop = Deployment::of("order-steps").gateways(1).workers(1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(10)).await;
    let heard = buy(&shop, sale, "buyer", 3).await;
    shop.settled(sale).await;
    let mut operator = shop.operator().orders;
    let [kept, returned, unpaid] = orders(&heard)[..] else { panic!("three orders") };
    let mut make = async |step, order| {
        let made = operator.make(step, order, "ops", "by hand").await;
        made.map(|order| (order.state.as_str(), order.version)).map_err(|refused| refused.code().to_owned())
    };
    let conflict = Err("order_state_conflict".to_owned());
    for step in [OrderStep::Ship, OrderStep::Finish, OrderStep::Refund] {
        assert_eq!(make(step, kept).await, conflict, "{step} of a confirmed order");
    }
    for (step, state, version) in
        [(OrderStep::Pay, "paid", 2), (OrderStep::Ship, "shipped", 3), (OrderStep::Finish, "finished", 4)]
    {
        assert_eq!(make(step, kept).await, Ok((state, version)));
        assert_eq!(make(step, kept).await, Ok((state, version)), "again");
    }
    for step in [OrderStep::Cancel, OrderStep::Refund] {
        assert_eq!(make(step, kept).await, conflict, "{step} of a finished order");
    }
    assert_eq!(make(OrderStep::Pay, returned).await, Ok(("paid", 2)));
    // Buyers cannot take back what they have paid for.
    let door = shop.gateways[0].door();
    let buyer = &heard[1].purchase.buyer;
    assert_eq!(door.cancel(returned, buyer).await, Err("order_state_conflict".to_owned()));
    assert_eq!(door.cancel_grpc(returned, buyer).await, Err("order_state_conflict".to_owned()));
    assert_eq!(make(OrderStep::Cancel, returned).await, Ok(("refunding", 3)));
    assert_eq!(make(OrderStep::Ship, returned).await, conflict);
    assert_eq!(make(OrderStep::Refund, returned).await, Ok(("refunded", 4)));
    assert_eq!(make(OrderStep::Cancel, unpaid).await, Ok(("cancelled", 2)));
    assert_eq!(make(OrderStep::Refund, unpaid).await, conflict, "it never owed money");
    let books = shop.conserved(sale, &heard).await;
    assert_eq!((books.confirmed_units(), units(&books, "by_operator")), (1, 2));
    shop.stop().await;
}

/// With the broker killed for good no timer runs out: look-ups close what is asked for, and the sweep the rest. When the
/// broker is back, so are the timers that it had.
#[tokio::test(flavor = "multi_thread")]
async fn look_ups_sweeps_and_timers_each_suffice() {
    let stack = OwnStack::of("rocketmq").await;
    let start = async |name: &str, sweep_interval_ms: u64| {
        let plan = Deployment::of(name).gateways(1).workers(1);
        let plan = plan.name_server(&stack.name_server());
        plan.worker_setting("lifecycle.sweep_interval_ms", sweep_interval_ms).start().await
    };
    let (swept, unswept) = (start("swept", 500).await, start("unswept", NEVER_MS).await);
    let pay_within = Duration::from_secs(20);
    let mut sales = Vec::new();
    for shop in [&swept, &unswept] {
        let sale = shop.open_sale(SaleForm::of_stock(60).pay_within(pay_within)).await;
        let heard = buy(shop, sale, "buyer", 60).await;
        shop.settled(sale).await;
        sales.push((sale, heard));
    }
    let [(swept_sale, swept_heard), (sale, heard)] = &sales[..] else { panic!("two sales") };
    // Every order was placed before. A look-up that asked for a deadline would cancel an order that is due.
    let all_due_at = SystemClock.now().saturating_add(pay_within);
    // The timers are at the broker: they are sent right after the orders are placed.
    sleep(Duration::from_secs(1)).await;
    stack.kill(Part::Broker).await;

    timed_out(&swept, *swept_sale, 60).await;
    let by_sweep = swept.worker_metric("flashgate_worker_expired_orders_total", &[("by", "sweep")]).await;
    assert!((by_sweep - 60.0).abs() < 0.5, "{by_sweep}");

    sleep(all_due_at.saturating_since(SystemClock.now())).await;
    let door = unswept.gateways[0].door();
    for heard in &heard[..30] {
        let seen = door.order(heard.order().unwrap(), &heard.purchase.buyer).await.unwrap();
        assert_eq!(
            (seen.state.as_str(), seen.cancel_reason.as_str(), seen.version),
            ("cancelled", "timeout", 2)
        );
    }
    let rows = unswept.store.orders(*sale).await;
    assert_eq!(rows.iter().filter(|row| row.is_confirmed()).count(), 30, "nobody asked for these");

    stack.start_again(Part::Broker).await;
    timed_out(&unswept, *sale, 60).await;
    for (shop, sale, heard) in [(&swept, *swept_sale, swept_heard), (&unswept, *sale, heard)] {
        let books = shop.conserved(sale, heard).await;
        assert_eq!((books.confirmed_units(), books.ledger.totals.available), (0, 60));
    }
    swept.stop().await;
    unswept.stop().await;
}

/// Whatever the worker was doing when it died, each order is cancelled once, and its unit returns once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_in_a_sweep_returns_each_unit_once() {
    let plan = Deployment::of("sweep-killed").gateways(1).workers(1);
    let mut shop = plan.worker_setting("lifecycle.sweep_interval_ms", 100).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000).pay_within(Duration::from_secs(1))).await;
    let mut heard = Vec::new();
    for kill in 0..KILLS {
        shop.workers[0].process.kill().await;
        heard.extend(buy(&shop, sale, &format!("buyer-{kill}"), 4).await);
        shop.workers[0].start_armed(&format!("{}:1", STEPS[kill % STEPS.len()]));
        shop.workers[0].process.crashed().await;
        shop.workers[0].start();
        shop.workers[0].ready().await;
    }
    let heard = Arc::new(heard);
    timed_out(&shop, sale, KILLS * 4).await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!((books.confirmed_units(), books.ledger.totals.available), (0, 1_000));
    let mut operator = shop.operator().orders;
    for order in orders(&heard) {
        assert_eq!(operator.events(order).await.unwrap().len(), 1);
    }
    shop.stop().await;
}
