//! A failover of Redis to a replica that is behind: what it had acknowledged is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use flashgate_domain::{BatchId, OrderId, SaleId};
use rand::{Rng, rngs::StdRng};

use super::sells;
use crate::{
    books::{self, Books},
    crowd::Heard,
    deployment::Deployment,
    eventually::eventually,
    operator::SaleForm,
    proxy::{Line, Proxy},
    purchase::Purchase,
    redis_server::RedisServer,
    rush::Rush,
    stack::Stack,
};

const STOCK: u64 = 1_000_000;
const BUYERS: usize = 8;
const PAUSE_TIME: Duration = Duration::from_secs(30);
/// Longer than check-backs take, several times over.
const SETTLE_TIME: Duration = Duration::from_secs(90);

/// Sells, lets the replica fall behind by some purchases, kills the master, and has the replica take over. The sale
/// must stop, and every accepted order must be in the order store, none twice, none too many. Says what it saw.
///
/// The replica learns batches from the outcomes that follow. Those that had been settled on the lost server are not
/// told of again: what was deducted and settled there it does not know, and what was deducted before and settled
/// there stays open. So it has too many units on sale rather than too few, and must not sell them: only a rebuild
/// lets the sale go on.
///
/// # Panics
/// If one of that is not so.
pub async fn fail_over(stack: Stack, random: &mut StdRng) -> String {
    let plan = Deployment::of("failover").on(stack).gateways(2).workers(2);
    let mut shop = plan.own_redis().redis_proxy().start().await;
    let master = shop.redis.as_ref().expect("a Redis of its own").address();
    let replication = Proxy::before(master).await;
    let mut replica = RedisServer::replica_of(replication.address(), shop.folder()).await;
    let sale = shop.open_sale(SaleForm::of_stock(STOCK)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let rush = Rush::start(sale, &doors, BUYERS);
    sells(&rush, random.random_range(50..300)).await;
    replication.set(Line::Silent);
    sells(&rush, random.random_range(20..200)).await;

    shop.redis.as_mut().expect("a Redis of its own").process.kill().await;
    replication.set(Line::Cut);
    replica.promote().await;
    shop.redis_proxy.as_ref().expect("a proxy").lead_to(replica.address());
    for door in &doors {
        let late = Purchase::new(sale, "late", "late", 1);
        eventually("the sale stops", PAUSE_TIME, async || {
            let answer = door.buy(&late).await;
            (answer.word() == "sale_paused").then_some(()).ok_or_else(|| format!("{answer:?}"))
        })
        .await;
    }
    let heard = rush.end().await;
    shop.stock = shop.stock.on(&replica.url());
    let told = check(&shop, sale, &heard).await;
    // The server that is gone has nothing to leave in order, and the replica goes after the gateways.
    shop.stop().await;
    replica.process.kill_now();
    told
}

async fn check(shop: &Deployment, sale: SaleId, heard: &[Heard]) -> String {
    let books = decided(shop, sale, heard).await;
    let confirmed = books.confirmed_units();
    assert_eq!(books.lost_in_database(), 0, "{:?}", books.sale);
    books::lawful(&books.orders, books.sale.limit_per_buyer);
    books::kept_promises(sale, heard, &books.orders);
    // The sum of no series at all is a negative zero.
    let late = shop.gateway_metric(SETTLED, &[("result", "applied_late")]).await.abs();
    let contradictions = shop.gateway_metric(SETTLED, &[("result", "contradiction")]).await;
    assert_eq!(contradictions, 0.0, "a batch is fenced in the ledger and decided in the order store");
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    for answer in heard.iter().flat_map(|heard| &heard.answers) {
        *words.entry(answer.word()).or_default() += 1;
    }
    let (open, available) = (books.ledger.open.len(), books.ledger.totals.available);
    let unknown = available - i64::try_from(books.sale.saleable).expect("units");
    assert!(late > 0.0 || open > 0 || unknown > 0, "the replica was not behind");
    assert!(unknown >= 0, "the replica has sold what the order store has not: {books:#?}");
    format!(
        "{confirmed} orders; the replica learned {late} batches from outcomes, {open} are open that were settled, \
         {unknown} units are sold of which it does not know; answers {words:?}"
    )
}

/// Waits until every order that was promised is stored, and nothing is open that the order store has not decided.
async fn decided(shop: &Deployment, sale: SaleId, heard: &[Heard]) -> Books {
    let promised: BTreeSet<OrderId> = heard.iter().filter_map(Heard::order).collect();
    eventually("everything is decided", SETTLE_TIME, async || {
        let ledger = shop.stock.snapshot(sale).await.ok_or("the replica does not have the sale")?;
        let decided: BTreeSet<BatchId> = shop.store.batches().await.into_iter().collect();
        let undecided = ledger.open.iter().filter(|batch| !decided.contains(&batch.id)).count();
        let orders = shop.store.orders(sale).await;
        let stored: BTreeSet<OrderId> = orders.iter().map(|order| order.id).collect();
        let missing = promised.difference(&stored).count();
        if undecided + missing > 0 {
            return Err(format!("{undecided} batches undecided, {missing} orders missing"));
        }
        let held = shop.stock.held(sale).await;
        Ok(Books { ledger, held, sale: shop.store.sale(sale).await, orders })
    })
    .await
}

const SETTLED: &str = "flashgate_gateway_settled_batches_total";
