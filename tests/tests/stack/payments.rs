//! Payments on the real stack, with the real payment provider: whatever it does, each order is paid once or not at all, all
//! other money is returned once, and the units follow.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use flashgate_domain::{CancelReason, OrderId, OrderState, OrderStep, RefundCause, RefundState, SaleId};
use flashgate_tests::{
    Deployment, Heard, PaymentProvider, Purchase, SaleForm, ask_all, eventually, payment_provider::Payment,
};

const AT_ONCE: usize = 16;
const ARRIVAL: Duration = Duration::from_secs(90);
const TIMED_OUT: OrderState = OrderState::Cancelled(CancelReason::Timeout);
const PRICE: u64 = 1_999;
/// The steps of payments at which a worker can die.
const STEPS: [&str; 2] = ["after_payment_check", "after_refund_request"];

/// What a buyer and the provider do, and how the order ends.
const CASES: [(&str, OrderState); 9] = [
    ("prompt", OrderState::Paid),
    ("twice", OrderState::Paid),
    ("lost", OrderState::Paid),
    ("late:3000", OrderState::Paid),
    ("failing:3", OrderState::Paid),
    ("wrong_amount", TIMED_OUT),
    ("wrong_currency", TIMED_OUT),
    ("reversed:500", OrderState::Refunded(CancelReason::PaymentReversed)),
    ("never", TIMED_OUT),
];

async fn start(name: &str) -> (Deployment, PaymentProvider) {
    let mut shop = Deployment::of(name).gateways(2).workers(2).prepare().await;
    let mut provider = PaymentProvider::new(shop.folder(), shop.workers.len());
    provider.configure(&mut shop);
    provider.process.start(&[]);
    shop.start_all().await;
    (shop, provider)
}

/// Buys, one unit a buyer, and waits until all orders are placed.
async fn buy(shop: &Deployment, sale: SaleId, count: usize) -> Vec<Heard> {
    let doors: Vec<_> = shop.gateways.iter().map(|gateway| gateway.door()).collect();
    let heard = ask_all(Purchase::of_many(sale, "buyer", count), AT_ONCE, async |purchase: &Purchase| {
        doors[purchase.buyer.len() % doors.len()].buy(purchase).await
    })
    .await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "{heard:?}");
    shop.settled(sale).await;
    heard
}

/// What the buyer needs to pay, the same at both gateways.
async fn payment(shop: &Deployment, heard: &Heard) -> Payment {
    let (order, buyer) = (heard.order().unwrap(), &heard.purchase.buyer);
    let first = shop.gateways[0].door().payment(order, buyer).await.unwrap();
    assert_eq!(shop.gateways[1].door().payment(order, buyer).await.unwrap(), first);
    assert_eq!((first.amount_minor, first.currency.as_str(), first.state.as_str()), (PRICE, "EUR", "open"));
    first
}

/// Waits until an order has that state in the order store.
async fn becomes(shop: &Deployment, order: OrderId, state: OrderState) {
    eventually(&format!("{order} is {state:?}"), ARRIVAL, async || {
        let found = shop.operator().orders.find(order).await.map_err(|error| error.to_string())?.state;
        (found == state).then_some(()).ok_or(format!("{found:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_provider_does_money_and_units_agree() {
    const ORDERS_EACH: usize = 4;
    let (mut shop, mut provider) = start("payments").await;
    let pay_within = Duration::from_secs(20);
    let count = CASES.len() * ORDERS_EACH;
    let sale = shop.open_sale(SaleForm::of_stock(100).limit(1).pay_within(pay_within)).await;
    let heard = buy(&shop, sale, count).await;
    for (heard, (behaviour, _end)) in heard.iter().zip(CASES.iter().cycle()) {
        let payment = payment(&shop, heard).await;
        if *behaviour != "never" {
            assert_eq!(provider.pay(&payment, behaviour).await, 200, "{behaviour}");
        }
    }
    // Callbacks of this time find nobody, and are sent again.
    shop.workers[0].process.kill().await;
    shop.workers[0].start();
    shop.workers[0].ready().await;
    for (heard, (_behaviour, end)) in heard.iter().zip(CASES.iter().cycle()) {
        becomes(&shop, heard.order().unwrap(), *end).await;
    }
    provider.agrees(&shop, sale).await;
    let books = shop.conserved(sale, &heard).await;
    let kept = CASES.iter().filter(|(_behaviour, end)| *end == OrderState::Paid).count() * ORDERS_EACH;
    assert_eq!(books.confirmed_units(), u64::try_from(kept).unwrap());
    for (heard, (behaviour, _end)) in heard.iter().zip(CASES.iter().cycle()) {
        let (attempts, refunds) = shop.operator().orders.payments(heard.order().unwrap()).await.unwrap();
        let causes: Vec<_> = refunds.iter().map(|refund| (refund.cause, refund.state)).collect();
        let expected = match *behaviour {
            "wrong_amount" | "wrong_currency" => vec![(RefundCause::WrongAmount, RefundState::Succeeded)],
            _ => Vec::new(),
        };
        assert_eq!((attempts.len(), causes), (1, expected), "{behaviour}");
    }
    provider.process.leave().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_orders_are_refunded_and_a_refused_refund_waits_for_an_operator() {
    let (shop, mut provider) = start("refunds").await;
    let sale = shop.open_sale(SaleForm::of_stock(100).limit(1)).await;
    let heard = buy(&shop, sale, 6).await;
    let behaviours =
        ["succeed", "pending:1000", "failing:3", "never_answer", "succeed_then_fail:1000", "refuse"];
    let mut operator = shop.operator().orders;
    for (heard, behaviour) in heard.iter().zip(behaviours) {
        let (order, payment) = (heard.order().unwrap(), payment(&shop, heard).await);
        assert_eq!(provider.pay(&payment, "prompt").await, 200);
        becomes(&shop, order, OrderState::Paid).await;
        provider.script_refunds(&payment.attempt_id, behaviour).await;
        let cancelled = operator.make(OrderStep::Cancel, order, "ops", "asked by phone").await.unwrap();
        assert_eq!(cancelled.state, OrderState::Refunding(CancelReason::ByOperator));
    }
    let refunded = OrderState::Refunded(CancelReason::ByOperator);
    for heard in &heard[..4] {
        becomes(&shop, heard.order().unwrap(), refunded).await;
    }
    for heard in &heard[4..] {
        let order = heard.order().unwrap();
        let failed = async || {
            let (_attempts, refunds) =
                shop.operator().orders.payments(order).await.map_err(|error| error.to_string())?;
            let has_failed = refunds.last().is_some_and(|refund| refund.state == RefundState::Failed);
            has_failed.then_some(refunds[0].key).ok_or(format!("{refunds:?}"))
        };
        let key = eventually("the failure is visible", ARRIVAL, failed).await;
        becomes(&shop, order, OrderState::Refunding(CancelReason::ByOperator)).await;
        provider.script_refunds(&key.attempt.to_string(), "succeed").await;
        let retried = operator.retry_refund(&key.id(), "ops", "account corrected").await.unwrap();
        let by = retried.retry.unwrap();
        assert_eq!(
            (retried.key.number.get(), by.operator.as_str(), by.cause.as_str()),
            (2, "ops", "account corrected")
        );
        becomes(&shop, order, refunded).await;
    }
    provider.agrees(&shop, sale).await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), 0);
    provider.process.leave().await;
    shop.stop().await;
}

/// Whatever the worker was doing when it died, money moves once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_between_the_provider_and_its_record_does_it_once() {
    let (mut shop, mut provider) = start("payments-killed").await;
    shop.workers[1].process.leave().await;
    let sale = shop.open_sale(SaleForm::of_stock(100).limit(1).pay_within(Duration::from_secs(30))).await;
    let heard = buy(&shop, sale, 4).await;
    for (number, heard) in heard.iter().enumerate() {
        let payment = payment(&shop, heard).await;
        if number % 2 == 0 {
            assert_eq!(provider.pay(&payment, "lost").await, 200);
        }
    }
    // What nobody has paid stays open, and is checked again and again.
    shop.workers[0].process.leave().await;
    shop.workers[0].start_armed(&format!("{}:1", STEPS[0]));
    shop.workers[0].process.crashed().await;
    shop.workers[0].start();
    shop.workers[0].ready().await;
    for (number, heard) in heard.iter().enumerate() {
        let end = if number % 2 == 0 { OrderState::Paid } else { TIMED_OUT };
        becomes(&shop, heard.order().unwrap(), end).await;
    }
    shop.workers[0].process.leave().await;
    shop.workers[0].start_armed(&format!("{}:1", STEPS[1]));
    shop.workers[0].ready().await;
    let cancelled = heard[0].order().unwrap();
    // The worker may die before it answers.
    let _answer = shop.operator().orders.make(OrderStep::Cancel, cancelled, "ops", "").await;
    shop.workers[0].process.crashed().await;
    shop.workers[0].start();
    shop.workers[0].ready().await;
    becomes(&shop, cancelled, OrderState::Refunded(CancelReason::ByOperator)).await;
    assert_eq!(provider.records("refunds").await.len(), 1);
    provider.agrees(&shop, sale).await;
    shop.conserved(sale, &heard).await;
    provider.process.leave().await;
    shop.stop().await;
}
