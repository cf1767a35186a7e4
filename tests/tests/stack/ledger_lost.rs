//! What was accepted outlives the ledger, and a ledger that lost something heals or stops.

use std::time::Duration;

use flashgate_domain::SaleId;
use flashgate_tests::{
    Answer, Deployment, Heard, Purchase, Rush, SaleForm, ask_all, books, eventually, order_store::OrderRow,
};

const TIME_TO_CONFIRM: Duration = Duration::from_secs(60);

/// Waits until everything that was promised is in the order store; all orders then.
async fn orders_once_promises_are_kept(shop: &Deployment, sale: SaleId, heard: &[Heard]) -> Vec<OrderRow> {
    let promised: Vec<_> = heard.iter().filter_map(Heard::order).collect();
    eventually("every accepted order is confirmed", TIME_TO_CONFIRM, async || {
        let orders = shop.store.orders(sale).await;
        let is_there = |promised| orders.iter().any(|order| order.id == promised && order.is_confirmed());
        let missing = promised.iter().filter(|promised| !is_there(**promised)).count();
        if missing == 0 { Ok(orders) } else { Err(format!("{missing} of {} are missing", promised.len())) }
    })
    .await
}

/// The laws of the order store alone: the ledger is gone.
async fn database_is_lawful(shop: &Deployment, sale: SaleId, heard: &[Heard], orders: &[OrderRow]) {
    let row = shop.store.sale(sale).await;
    let confirmed: u64 =
        orders.iter().filter(|order| order.is_confirmed()).map(|order| u64::from(order.quantity)).sum();
    assert_eq!(row.saleable, row.initial - confirmed);
    books::lawful(orders, row.limit_per_buyer);
    books::kept_promises(sale, heard, orders);
}

/// The sale has stopped, at every gateway, and stays stopped.
async fn is_paused(shop: &Deployment, sale: SaleId) {
    for gateway in &shop.gateways {
        let (door, late) = (gateway.door(), Purchase::new(sale, "late", "late", 1));
        for answer in [door.buy(&late).await, door.buy_grpc(&late).await] {
            assert_eq!(answer, Answer::of_code("sale_paused", true));
        }
        // The gateway has read the sales again since, and did not put this one into the ledger.
        let name = sale.to_string();
        let paused = gateway.metrics().await.sum("flashgate_gateway_sale_paused", &[("sale", &name)]);
        assert_eq!(paused, 1.0, "an alarm is raised");
    }
    assert_eq!(shop.stock.snapshot(sale).await, None, "never created again at its initial stock");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_accepted_orders_survive_a_ledger_that_is_emptied_at_once() {
    const BUYERS: usize = 2_000;
    let shop = Deployment::of("flush").gateways(2).own_redis().start().await;
    let sale = shop.open_sale(SaleForm::of_stock(10_000).limit(2)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    // Nothing is confirmed before the ledger is emptied: the broker alone holds the orders.
    shop.workers[0].process.freeze();
    let heard = ask_all(Purchase::of_many(sale, "buyer", BUYERS), 256, async |purchase: &Purchase| {
        doors[purchase.buyer.len() % 2].buy(purchase).await
    })
    .await;
    shop.stock.flush_all().await;
    assert!(heard.iter().all(|heard| matches!(heard.answers[..], [Answer::Accepted(_)])));
    assert_eq!(shop.store.orders(sale).await, []);
    shop.workers[0].process.thaw();

    let orders = orders_once_promises_are_kept(&shop, sale, &heard).await;
    assert_eq!(orders.len(), BUYERS);
    database_is_lawful(&shop, sale, &heard, &orders).await;
    is_paused(&shop, sale).await;
    let first = &heard[0];
    let seen = doors[0].order(first.order().unwrap(), &first.purchase.buyer).await.unwrap();
    assert_eq!(seen.state, "confirmed", "the order worker is asked where the ledger knows nothing");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_whose_ledger_is_emptied_pauses_and_sells_nothing_twice() {
    let shop = Deployment::of("pause").gateways(2).own_redis().start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100_000)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let rush = Rush::start(sale, &doors, 16);
    eventually("the sale is under way", TIME_TO_CONFIRM, async || {
        let accepted = rush.accepted();
        (accepted >= 500).then_some(()).ok_or(format!("{accepted} accepted"))
    })
    .await;
    shop.stock.flush_all().await;
    for door in &doors {
        let probe = Purchase::new(sale, "probe", "probe", 1);
        eventually("the sale pauses", Duration::from_secs(10), async || {
            let answer = door.buy(&probe).await;
            (answer.word() == "sale_paused").then_some(()).ok_or(format!("{answer:?}"))
        })
        .await;
    }
    let heard = rush.end().await;

    let orders = orders_once_promises_are_kept(&shop, sale, &heard).await;
    database_is_lawful(&shop, sale, &heard, &orders).await;
    is_paused(&shop, sale).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_entry_that_was_deleted_by_hand_is_settled_and_both_layers_agree() {
    let shop = Deployment::of("entry").gateways(1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000)).await;
    let door = shop.gateways[0].door();
    shop.workers[0].process.freeze();
    let heard = ask_all(Purchase::of_many(sale, "buyer", 50), 4, async |purchase: &Purchase| {
        door.buy(purchase).await
    })
    .await;
    let open = shop.stock.snapshot(sale).await.unwrap().open;
    assert!(open.len() >= 4, "{open:?}");
    // Every other one, so that whole and damaged batches are settled side by side.
    for batch in open.iter().step_by(2) {
        assert!(shop.stock.delete_log_entry(batch.id).await);
    }
    shop.workers[0].process.thaw();

    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), 50);
    assert_eq!(books.ledger.totals.available, 950);
    let late =
        shop.gateway_metric("flashgate_gateway_settled_batches_total", &[("result", "applied_late")]).await;
    assert_eq!(late, f64::from(u32::try_from(open.len().div_ceil(2)).unwrap()));
    shop.stop().await;
}
