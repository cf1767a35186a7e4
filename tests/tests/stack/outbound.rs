//! The outbound: a paid order is shipped by itself, once, whatever dies between the payment and the shipment.

use std::time::Duration;

use flashgate_domain::{Actor, OrderState, OrderStep};
use flashgate_tests::{Deployment, Heard, Purchase, SaleForm, ask_all, eventually};

const ARRIVAL: Duration = Duration::from_secs(60);
/// The steps at which the worker dies: in the transaction of a payment or of a shipment, and before its event counts as
/// followed.
const STEPS: [&str; 3] = ["before_change_commit", "after_change_commit", "after_outbound"];
const KILLS: usize = 3;
/// Orders that are paid before each death.
const PART: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn every_paid_order_is_shipped_once_whatever_dies() {
    let mut shop = Deployment::of("outbound").worker_setting("lifecycle.ship_when_paid", true).start().await;
    let stock = KILLS * PART;
    let sale = shop.open_sale(SaleForm::of_stock(stock.try_into().unwrap()).limit(1).at_payment()).await;
    let door = shop.gateways[0].door();
    let heard = ask_all(Purchase::of_many(sale, "buyer", stock), 16, async |purchase: &Purchase| {
        door.buy(purchase).await
    })
    .await;
    shop.conserved(sale, &heard).await;
    let orders: Vec<_> = heard.iter().filter_map(Heard::order).collect();
    for (kill, part) in orders.chunks(PART).enumerate() {
        shop.workers[0].process.leave().await;
        shop.workers[0].start_armed(&format!("{}:{}", STEPS[kill % STEPS.len()], kill % 2 + 2));
        shop.workers[0].ready().await;
        for order in part {
            // The answer may be lost with the worker.
            let _lost = shop.operator().orders.make(OrderStep::Pay, *order, "till 3", "").await;
        }
        shop.workers[0].process.died().await;
        shop.workers[0].start();
        shop.workers[0].ready().await;
        for order in part {
            shop.operator().orders.make(OrderStep::Pay, *order, "till 3", "").await.unwrap();
        }
    }
    eventually("every order is shipped", ARRIVAL, async || {
        let rows = shop.store.orders(sale).await;
        let rest = rows.iter().filter(|row| row.state != "shipped").count();
        (rest == 0).then_some(()).ok_or(format!("{rest} are not"))
    })
    .await;
    for order in &orders {
        let events = shop.operator().orders.events(*order).await.unwrap();
        let made: Vec<_> = events.iter().map(|event| (event.to, &event.actor)).collect();
        let [(OrderState::Paid, _), (OrderState::Shipped, Actor::Outbound)] = made[..] else {
            panic!("{made:?}")
        };
    }
    let books = shop.conserved(sale, &heard).await;
    assert_eq!((books.sale.saleable, books.sale.reserved), (0, 0));
    shop.stop().await;
}
