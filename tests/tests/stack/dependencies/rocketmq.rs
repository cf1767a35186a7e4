//! The broker: away, frozen, and back.

use flashgate_domain::SaleId;
use flashgate_tests::{
    Deployment, Heard, Purchase, SaleForm, ask_all, eventually, rocketmq_server::RocketMqServer,
};

use super::{NOTICE_TIME, try_again, until_missing, until_ready};

/// A deployment on a broker of its own, that has sold two units.
async fn shop_on(rocketmq: &RocketMqServer, name: &str) -> (Deployment, SaleId, Vec<Heard>) {
    let shop = Deployment::of(name)
        .name_server(rocketmq.name_server())
        .gateway_setting("rocketmq.send_timeout_ms", 1_000)
        .start()
        .await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    let purchase = Purchase::new(sale, "early", "early-1", 2);
    let answer = shop.gateways[0].door().buy(&purchase).await;
    assert!(answer.order().is_some(), "{answer:?}");
    let heard = vec![Heard { purchase, answers: vec![answer] }];
    shop.conserved(sale, &heard).await;
    (shop, sale, heard)
}

/// Every purchase is refused, and the ledger stays as it is.
async fn nothing_is_ordered(shop: &Deployment, sale: SaleId) -> Vec<Heard> {
    let before = shop.stock.snapshot(sale).await.unwrap();
    let door = shop.gateways[0].door();
    let heard =
        ask_all(Purchase::of_many(sale, "meanwhile", 8), 8, async |purchase| door.buy(purchase).await).await;
    let over_grpc =
        ask_all(Purchase::of_many(sale, "over-grpc", 8), 8, async |purchase| door.buy_grpc(purchase).await);
    let heard = [heard, over_grpc.await].concat();
    for heard in &heard {
        assert_eq!(heard.answers, [try_again("broker_unavailable")]);
    }
    let after = shop.stock.snapshot(sale).await.unwrap();
    assert_eq!((after.totals, after.open), (before.totals, before.open));
    heard
}

/// What was refused is asked for again and accepted; both layers agree.
async fn it_sells_again(shop: &Deployment, sale: SaleId, mut heard: Vec<Heard>) {
    let door = shop.gateways[0].door();
    for heard in heard.iter_mut().filter(|heard| heard.order().is_none()) {
        let answer = eventually("it sells again", NOTICE_TIME, async || {
            let answer = door.buy(&heard.purchase).await;
            if answer.order().is_some() { Ok(answer) } else { Err(format!("{answer:?}")) }
        })
        .await;
        heard.answers.push(answer);
    }
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed().count(), heard.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_broker_away_nothing_is_deducted_and_it_sells_again_when_it_is_back() {
    let rocketmq = RocketMqServer::start().await;
    let (shop, sale, mut heard) = shop_on(&rocketmq, "broker-away").await;
    let (gateway, worker) = (shop.gateways[0].operator(), shop.workers[0].address());
    rocketmq.kill_broker().await;
    heard.extend(nothing_is_ordered(&shop, sale).await);
    until_missing(gateway, "broker").await;
    until_missing(worker, "broker: down").await;

    rocketmq.start_broker().await;
    until_ready(gateway).await;
    until_ready(worker).await;
    it_sells_again(&shop, sale, heard).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_messages_that_a_frozen_broker_stores_later_become_no_orders() {
    let rocketmq = RocketMqServer::start().await;
    let (shop, sale, mut heard) = shop_on(&rocketmq, "broker-frozen").await;
    let (gateway, worker) = (shop.gateways[0].operator(), shop.workers[0].address());
    rocketmq.freeze_broker().await;
    heard.extend(nothing_is_ordered(&shop, sale).await);
    until_missing(gateway, "broker").await;
    until_missing(worker, "broker: down").await;

    rocketmq.thaw_broker().await;
    until_ready(gateway).await;
    until_ready(worker).await;
    eventually("the late half-messages are fenced", NOTICE_TIME, async || {
        let fenced =
            shop.gateway_metric("flashgate_gateway_check_backs_total", &[("verdict", "rollback")]).await;
        (fenced > 0.0).then_some(()).ok_or_else(|| "no check-back".to_owned())
    })
    .await;
    it_sells_again(&shop, sale, heard).await;
    shop.stop().await;
}
