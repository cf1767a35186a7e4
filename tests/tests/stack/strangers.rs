//! A gateway with another ledger and a worker with another database, in the groups of a deployment: they decide nothing.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use flashgate_tests::{
    Answer, Deployment, Door, Purchase, Rush, SaleForm, eventually, order_store::OrderStore, stack::Stack,
};
use http::{Request, StatusCode};
use tokio::time::sleep;

const STOCK: u64 = 1_000_000;
/// A generous limit for what takes a second or two, on a machine that compiles beside it.
const TIME_TO_SEE: Duration = Duration::from_secs(60);
/// The broker of `scripts/stack` asks for the fate of a half-message after 3 s, then every 5 s: twice in this time.
const ASKED_MEANWHILE: Duration = Duration::from_secs(12);

async fn readiness(operator: SocketAddr) -> (StatusCode, String) {
    let request = Request::get("/healthz/ready").body(Bytes::new().into()).unwrap();
    match Door::new(operator, operator).http(request).await {
        Ok(response) => (response.status(), String::from_utf8_lossy(response.body()).into_owned()),
        Err(why) => (StatusCode::BAD_GATEWAY, why),
    }
}

/// Waits until whoever answers there is not ready, and names `reason`.
async fn until_not_ready(operator: SocketAddr, reason: &str) {
    eventually(&format!("not ready: {reason}"), TIME_TO_SEE, async || {
        let (status, said) = readiness(operator).await;
        let is_told = status == StatusCode::SERVICE_UNAVAILABLE && said.contains(reason);
        is_told.then_some(()).ok_or(said)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_another_ledger_answers_no_check_back_settles_nothing_and_sells_nothing() {
    let mut shop = Deployment::of("stranger").gateways(2).prepare().await;
    let mut stranger = shop.gateways.remove(1);
    stranger.set("redis.prefix", format!("{}-stranger", shop.store.database()));
    shop.workers[0].start();
    shop.workers[0].ready().await;
    shop.gateways[0].start();
    shop.gateways[0].ready().await;
    let sale = shop.open_sale(SaleForm::of_stock(STOCK)).await;
    stranger.start();
    until_not_ready(stranger.operator(), "identity").await;

    let rush = Rush::start(sale, &[shop.gateways[0].door()], 8);
    // Twice a batch has its units and no commit, and nobody but the stranger is there to be asked.
    shop.gateways[0].process.kill().await;
    for hit in [2, 5] {
        shop.gateways[0].start_armed(&format!("gateway_after_deduct:{hit}"));
        shop.gateways[0].process.crashed().await;
        sleep(ASKED_MEANWHILE).await;
        let answer = stranger.door().buy(&Purchase::new(sale, "lost", "way", 1)).await;
        assert!(matches!(answer, Answer::Refused(_) | Answer::Lost(_)), "{answer:?}");
    }
    shop.gateways[0].start();
    shop.gateways[0].ready().await;
    let heard = rush.end().await;
    let books = shop.conserved(sale, &heard).await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "nobody is left without an order");
    assert_eq!(books.confirmed().count(), heard.len());

    let (status, said) = readiness(stranger.operator()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    let settled = stranger.metrics().await.sum("flashgate_gateway_settled_batches_total", &[]);
    assert!(settled.abs() < f64::EPSILON, "{settled} settled in the stranger's ledger");
    assert!(stranger.check_backs().is_empty(), "{:?}", stranger.check_backs());
    stranger.process.leave().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_another_database_decides_nothing() {
    let mut shop = Deployment::of("stranger-db").workers(2).start().await;
    let elsewhere = format!("{}_elsewhere", shop.store.database());
    let elsewhere = OrderStore::create(&Stack::from_env().mysql_url, &elsewhere).await;
    let mut stranger = shop.workers.remove(1);
    stranger.process.leave().await;
    stranger.set("order_store.url", elsewhere.url());
    stranger.migrate(shop.folder()).await;

    let sale = shop.open_sale(SaleForm::of_stock(STOCK)).await;
    let rush = Rush::start(sale, &[shop.gateways[0].door()], 8);
    stranger.start();
    until_not_ready(stranger.address(), "foreign_batches: true").await;
    let heard = rush.end().await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed().count(), heard.len(), "each is decided by the right worker");

    assert_eq!(elsewhere.batches().await, [], "the other database has no batch");
    stranger.process.leave().await;
    elsewhere.drop_database().await;
    shop.stop().await;
}
