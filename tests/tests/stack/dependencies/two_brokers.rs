//! One of two brokers: frozen, dead, and back. And what an operator's reset of a group does.

use std::time::Duration;

use bytes::Bytes;
use flashgate_domain::SaleId;
use flashgate_messaging::Subscription;
use flashgate_messaging::rocketmq::RocketMqConfig;
use flashgate_tests::{
    Deployment, Heard, Purchase, SaleForm, broker::Broker, eventually, rocketmq_server::RocketMqServer,
};
use tokio::time::{Instant, sleep};

use super::{NOTICE_TIME, until_ready};

/// What one broker may cost while nobody knows yet that it is gone: a few tries of a second each.
const FIRST_PURCHASES: usize = 16;
/// Then this many, one after the other.
const MORE_PURCHASES: usize = 300;
/// No trickle of 20 a second: that would take three times as long. Without a fault they take a few seconds.
const MORE_TIME_MAX: Duration = Duration::from_secs(15);

/// Buys one after the other: every purchase must be accepted.
async fn buy(shop: &Deployment, sale: SaleId, prefix: &str, count: usize) -> Vec<Heard> {
    let door = shop.gateways[0].door();
    let mut heard = Vec::new();
    for purchase in Purchase::of_many(sale, prefix, count) {
        let answer = door.buy(&purchase).await;
        assert!(answer.order().is_some(), "{}: {answer:?}", purchase.buyer);
        heard.push(Heard { purchase, answers: vec![answer] });
    }
    heard
}

/// Buys at full rate once the first have paid for the discovery.
async fn buy_at_full_rate(shop: &Deployment, sale: SaleId, prefix: &str) -> Vec<Heard> {
    let mut heard = buy(shop, sale, &format!("{prefix}-first"), FIRST_PURCHASES).await;
    let began_at = Instant::now();
    heard.extend(buy(shop, sale, &format!("{prefix}-more"), MORE_PURCHASES).await);
    assert!(began_at.elapsed() < MORE_TIME_MAX, "{MORE_PURCHASES} purchases took {:?}", began_at.elapsed());
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_of_two_brokers_frozen_or_dead_it_sells_at_full_rate_and_uses_it_again() {
    let rocketmq = RocketMqServer::with_two_brokers().await;
    let shop = Deployment::of("two-brokers").name_server(rocketmq.name_server()).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(10_000)).await;
    let mut heard = buy(&shop, sale, "both", 8).await;

    rocketmq.freeze_broker().await;
    heard.extend(buy_at_full_rate(&shop, sale, "frozen").await);
    until_ready(shop.gateways[0].operator()).await;
    until_ready(shop.workers[0].address()).await;
    rocketmq.thaw_broker().await;
    sleep(Duration::from_secs(1)).await;

    rocketmq.kill_second_broker().await;
    // Only the one that was frozen is left: that these are accepted shows that it is used again.
    eventually("it sells through the one that was frozen", NOTICE_TIME, async || {
        let purchase = Purchase::new(sale, "thawed", "thawed-1", 1);
        let answer = shop.gateways[0].door().buy(&purchase).await;
        answer.order().map(|_| ()).ok_or_else(|| format!("{answer:?}"))
    })
    .await;
    let purchase = Purchase::new(sale, "thawed", "thawed-1", 1);
    let answers = vec![shop.gateways[0].door().buy(&purchase).await];
    heard.push(Heard { purchase, answers });
    heard.extend(buy_at_full_rate(&shop, sale, "dead").await);
    until_ready(shop.gateways[0].operator()).await;
    until_ready(shop.workers[0].address()).await;

    rocketmq.start_second_broker().await;
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed().count(), heard.len());
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_an_operator_resets_reads_again_from_there() {
    let rocketmq = RocketMqServer::start().await;
    let broker = Broker::create(RocketMqConfig::at(rocketmq.name_server()), "reset").await;
    for number in 0..8 {
        broker
            .publish(&broker.topic("orders"), &format!("message-{number}"), Bytes::from_static(b"any"))
            .await;
    }
    let mut subscription = broker.join("orders", "reset-group").await;
    let mut first = Vec::new();
    while first.len() < 8 {
        first.extend(subscription.poll(64, Duration::from_secs(5)).await.unwrap());
    }
    subscription.commit(&subscription.position()).await.unwrap();

    let (topic, group) = ("reset-orders", "reset-reset-group");
    // Again, as an operator would: on a busy machine a name server can lack a route for seconds.
    let reset = ["resetOffsetByTime", "-t", topic, "-g", group, "-s", "0"];
    eventually("the group is reset", 2 * NOTICE_TIME, async || rocketmq.mqadmin(&reset).await).await;
    // A pull that the broker holds hears of it when its time is up.
    let again = eventually("they come again", 2 * NOTICE_TIME, async || {
        let again = subscription.poll(64, Duration::from_secs(5)).await.map_err(|fault| fault.to_string())?;
        if again.is_empty() { Err("nothing came".to_owned()) } else { Ok(again) }
    })
    .await;
    assert!(again.iter().all(|again| first.iter().any(|first| first.key == again.key)));
}
