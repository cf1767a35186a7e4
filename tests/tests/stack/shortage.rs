//! The order store has fewer units than the ledger promised.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use flashgate_tests::{Answer, Deployment, Heard, Purchase, SaleForm, ask_all, eventually};

const STOCK: u64 = 100;
const LOST: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn surplus_orders_are_cancelled_and_written_off_once_and_never_sold_again() {
    let shop = Deployment::of("shortage").gateways(2).workers(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(STOCK).limit(2)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    shop.store.lose_units(sale, LOST).await;
    let buyers = usize::try_from(STOCK).unwrap();
    let heard = ask_all(Purchase::of_many(sale, "buyer", buyers), 16, async |purchase: &Purchase| {
        doors[purchase.buyer.len() % 2].buy(purchase).await
    })
    .await;
    assert!(heard.iter().all(|heard| matches!(heard.answers[..], [Answer::Accepted(_)])), "{heard:?}");

    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), STOCK - LOST);
    assert_eq!(books.lost_in_database(), i64::try_from(LOST).unwrap());
    let totals = books.ledger.totals;
    assert_eq!((totals.written_off, totals.returned, totals.available), (LOST, 0, 0));
    let cancelled: Vec<_> = books.orders.iter().filter(|order| !order.is_confirmed()).collect();
    assert!(cancelled.iter().all(|order| order.state == "cancelled" && order.reason == "out_of_stock"));
    buyers_see_what_became_of_them(&shop, &heard).await;
    for door in &doors {
        let answer = door.buy(&Purchase::new(sale, "next", "next", 1)).await;
        assert_eq!(answer, Answer::of_code("sold_out", false));
    }

    everything_comes_again(&shop).await;
    assert_eq!(shop.settled(sale).await, books, "the same chunk again changes nothing");
    shop.stop().await;
}

async fn buyers_see_what_became_of_them(shop: &Deployment, heard: &[Heard]) {
    let door = shop.gateways[0].door();
    let mut states = Vec::new();
    for heard in heard {
        let (order, buyer) = (heard.order().unwrap(), &heard.purchase.buyer);
        let seen = door.order(order, buyer).await.unwrap();
        assert_eq!(door.order_grpc(order, buyer).await.unwrap(), seen);
        states.push((seen.state, seen.cancel_reason));
    }
    let out_of_stock = ("cancelled".to_owned(), "out_of_stock".to_owned());
    let cancelled = states.iter().filter(|state| **state == out_of_stock).count();
    assert_eq!(cancelled, usize::try_from(LOST).unwrap());
    assert!(states.iter().all(|(state, _reason)| state == "confirmed" || state == "cancelled"));
}

/// Publishes every batch a second time, and waits until its outcome has come home a second time.
async fn everything_comes_again(shop: &Deployment) {
    let orders = shop.broker.topic("orders");
    let batches = shop.broker.read_all(&orders, "reader").await;
    for batch in &batches {
        shop.broker.publish(&orders, &batch.key, batch.body.clone()).await;
    }
    let batches = f64::from(u32::try_from(batches.len()).unwrap());
    eventually("every batch is settled again", Duration::from_secs(30), async || {
        let again =
            shop.gateway_metric("flashgate_gateway_settled_batches_total", &[("result", "already")]).await;
        (again >= batches).then_some(()).ok_or(format!("{again} of {batches}"))
    })
    .await;
}
