//! Sales whose units leave the order store when paid orders are shipped: until then they are reserved, and promised once.

use std::time::Duration;

use flashgate_domain::{Actor, CancelReason, OrderId, OrderState, OrderStep, SaleId, audit::Finding};
use flashgate_operations::{
    audit::{Plan, examine},
    client::{GatewayLedger, WorkerStore},
};
use flashgate_tests::{Deployment, Heard, Purchase, SaleForm, ask_all};

const CALL_TIME: Duration = Duration::from_secs(20);

async fn buy(shop: &Deployment, sale: SaleId, name: &str, count: usize) -> Vec<Heard> {
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    ask_all(Purchase::of_many(sale, name, count), 16, async |purchase: &Purchase| {
        doors[purchase.buyer.len() % 2].buy(purchase).await
    })
    .await
}

fn orders(heard: &[Heard]) -> Vec<OrderId> {
    heard.iter().filter_map(Heard::order).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn units_leave_with_the_shipment_and_those_that_do_not_exist_are_written_off() {
    let shop = Deployment::of("at-payment").gateways(2).workers(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(30).limit(1).at_payment()).await;
    let mut heard = buy(&shop, sale, "early", 40).await;
    let early = orders(&heard);
    assert_eq!(early.len(), 30);
    let books = shop.conserved(sale, &heard).await;
    assert_eq!((books.sale.saleable, books.sale.reserved), (30, 30));

    let workers = [shop.workers[0].operator().orders, shop.workers[1].operator().orders];
    let make = async |place: usize, step, order| {
        workers[place % 2].clone().make(step, order, "warehouse", "").await.map(|order| order.state)
    };
    for (place, order) in early[..10].iter().enumerate() {
        let cancelled = OrderState::Cancelled(CancelReason::ByOperator);
        assert_eq!(make(place, OrderStep::Cancel, *order).await.unwrap(), cancelled);
    }
    shop.conserved(sale, &heard).await;
    let late = buy(&shop, sale, "late", 20).await;
    let standing = [&early[10..], &orders(&late)].concat();
    heard.extend(late);
    assert_eq!(standing.len(), 30, "what was given up is sold again");
    let books = shop.conserved(sale, &heard).await;
    assert_eq!((books.sale.saleable, books.sale.reserved, books.sale.returned), (30, 30, 10));

    for (place, order) in standing.iter().enumerate() {
        assert_eq!(make(place, OrderStep::Pay, *order).await.unwrap(), OrderState::Paid);
    }
    shop.store.lose_units(sale, 3).await;
    let mut failed = Vec::new();
    for (place, order) in standing.iter().enumerate() {
        match make(place, OrderStep::Ship, *order).await {
            Ok(state) => assert_eq!(state, OrderState::Shipped),
            Err(_conflict) => failed.push(*order),
        }
    }
    assert_eq!(failed, standing[27..], "the last three find nothing");
    for order in &failed {
        let events = workers[0].clone().events(*order).await.unwrap();
        let last = events.last().unwrap();
        assert_eq!(last.to, OrderState::Refunding(CancelReason::OutboundFailed));
        assert_eq!(last.actor, Actor::Stock);
    }
    let books = shop.settled(sale).await;
    assert_eq!((books.sale.saleable, books.sale.reserved, books.sale.returned), (0, 0, 13));
    let totals = books.ledger.totals;
    assert_eq!((totals.available, totals.written_off, totals.released, totals.returned), (0, 3, 13, 10));
    // The units that went behind everybody's back are the only difference.
    let gateway = format!("http://{}", shop.gateways[0].operator());
    let worker = format!("http://{}", shop.workers[0].address());
    let ledger = GatewayLedger::new(&gateway, CALL_TIME).unwrap();
    let store = WorkerStore::new(&worker, CALL_TIME).unwrap();
    let report = examine(sale, &ledger, &store, &Plan::default()).await.unwrap().unwrap();
    assert_eq!(report.findings, [Finding::StoreContradiction { units: -3 }], "{report:?}");
    shop.stop().await;
}
