//! An operator adds units to a sale: to both layers or to none, once, and they are sold at every gateway.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use flashgate_domain::SaleId;
use flashgate_proto::v1::RestockSaleRequest;
use flashgate_tests::{Answer, Deployment, Heard, Purchase, SaleForm, ask_all, eventually, flashgate};

const TIME_TO_SEE: Duration = Duration::from_secs(60);
/// The steps of a restock at which a worker can die: `crates/order-store-mysql/src/sales.rs`.
const STEPS: [&str; 2] = ["before_restock_commit", "after_restock_commit"];
const KILLS: usize = 4;

fn units(sale: SaleId, units: u64, key: &str) -> RestockSaleRequest {
    RestockSaleRequest {
        sale_id: sale.get(),
        units,
        idempotency_key: key.to_owned(),
        operator: "Zo\u{eb}".to_owned(),
        cause: "a late delivery".to_owned(),
    }
}

/// Waits until the ledger has counted the units.
async fn is_counted(shop: &Deployment, sale: SaleId, restocked: u64) {
    eventually("a gateway counts the units", TIME_TO_SEE, async || {
        let seen = shop.stock.snapshot(sale).await.unwrap().totals.restocked;
        (seen == restocked).then_some(()).ok_or(seen.to_string())
    })
    .await;
}

fn sold(heard: &[Heard]) -> usize {
    heard.iter().filter(|heard| heard.order().is_some()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_restocks_of_a_sale_that_is_sold_out_are_sold_at_every_gateway() {
    let shop = Deployment::of("restock").gateways(2).workers(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(20).limit(1)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let ask = async |name: &str, count: usize| {
        ask_all(Purchase::of_many(sale, name, count), 16, async |purchase: &Purchase| {
            doors[purchase.buyer.len() % 2].buy(purchase).await
        })
        .await
    };
    let mut heard = ask("early", 30).await;
    assert_eq!(sold(&heard), 20);
    let sales = shop.operator().sales;
    for number in 0..50 {
        // Twice at the same instant, as whoever is in doubt does.
        let request = units(sale, 2, &format!("key-{number}"));
        let (mut one, mut other) = (sales.clone(), sales.clone());
        let (one, other) = tokio::join!(one.restock(request.clone()), other.restock(request));
        assert!(one.unwrap().restocked >= 2 && other.unwrap().restocked >= 2);
        heard.extend(ask(&format!("buyer-{number}"), 3).await);
    }
    is_counted(&shop, sale, 100).await;
    for (door, name) in doors.iter().zip(["a", "b"]) {
        eventually("the sold-out mark is lifted", TIME_TO_SEE, async || {
            let left = shop.stock.snapshot(sale).await.unwrap().totals.available;
            let answer = door.buy(&Purchase::new(sale, format!("last-{name}"), "k", 1)).await;
            (left == 0 || answer != Answer::of_code("sold_out", false))
                .then_some(())
                .ok_or(format!("{left} left"))
        })
        .await;
    }
    let rest = ask("rest", 130).await;
    heard.extend(rest);
    let books = shop.settled(sale).await;
    assert_eq!((books.sale.restocked, books.sale.saleable), (100, 0));
    assert_eq!((books.ledger.totals.restocked, books.ledger.totals.available), (100, 0));
    assert_eq!(books.confirmed_units(), 120);
    assert_eq!(sales.clone().restocks(sale).await.unwrap().len(), 50);
    flashgate(&shop, &["audit"]).await.unwrap();
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restock_of_a_worker_that_dies_is_made_once_by_another() {
    let mut shop = Deployment::of("restock-killed").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(5)).await;
    let mut restocked = 0;
    for (round, step) in STEPS.iter().cycle().take(KILLS).enumerate() {
        shop.workers[0].process.leave().await;
        shop.workers[0].start_armed(step);
        shop.workers[0].ready().await;
        let request = units(sale, 3, &format!("round-{round}"));
        let lost = shop.operator().sales.restock(request.clone()).await;
        assert!(lost.is_err(), "{step}: {lost:?}");
        shop.workers[0].process.died().await;
        shop.workers[0].start();
        shop.workers[0].ready().await;
        restocked += 3;
        assert_eq!(shop.operator().sales.restock(request).await.unwrap().restocked, restocked, "{step}");
    }
    is_counted(&shop, sale, restocked).await;
    let books = shop.settled(sale).await;
    let available = i64::try_from(5 + restocked).unwrap();
    assert_eq!((books.sale.saleable, books.ledger.totals.available), (5 + restocked, available));
    flashgate(&shop, &["audit"]).await.unwrap();
    shop.stop().await;
}
