//! MySQL and the order worker: away, and back. Buyers notice nothing before the backlog is full.

use flashgate_domain::SaleId;
use flashgate_tests::{Answer, Deployment, Heard, Purchase, SaleForm, eventually, proxy::Line};

use super::{NOTICE_TIME, try_again, until_missing, until_ready};

/// What the tests set instead of a million.
const BACKLOG_MAX: usize = 20;

/// Buys one after the other: accepted up to the backlog, then refused, and those stay pending.
async fn fill_backlog(shop: &Deployment, sale: SaleId) -> Vec<Heard> {
    let door = shop.gateways[0].door();
    let mut heard = Vec::new();
    for (number, purchase) in Purchase::of_many(sale, "buyer", BACKLOG_MAX + 5).into_iter().enumerate() {
        let answer = if number % 2 == 0 { door.buy(&purchase).await } else { door.buy_grpc(&purchase).await };
        if number < BACKLOG_MAX {
            let order = answer.order().unwrap_or_else(|| panic!("purchase {number}: {answer:?}"));
            assert_eq!(door.order(order, &purchase.buyer).await.unwrap().state, "pending");
        } else {
            assert_eq!(answer, try_again("backlog_full"), "purchase {number}");
        }
        heard.push(Heard { purchase, answers: vec![answer] });
    }
    let again = door.buy(&heard[0].purchase).await;
    assert!(matches!(again, Answer::Replayed(_)), "a full backlog does not hide an order: {again:?}");
    heard
}

/// Asks again for what was refused, until it is accepted; then all of it must be confirmed.
async fn all_is_confirmed(shop: &Deployment, sale: SaleId, mut heard: Vec<Heard>) {
    let door = shop.gateways[0].door();
    for heard in heard.iter_mut().filter(|heard| heard.order().is_none()) {
        let answer = eventually("the backlog has room", NOTICE_TIME, async || {
            let answer = door.buy(&heard.purchase).await;
            if answer.order().is_some() { Ok(answer) } else { Err(format!("{answer:?}")) }
        })
        .await;
        heard.answers.push(answer);
    }
    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed().count(), heard.len());
    for heard in &heard {
        let order = door.order(heard.order().unwrap(), &heard.purchase.buyer).await.unwrap();
        assert_eq!(order.state, "confirmed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mysql_away_buys_go_on_until_the_backlog_is_full_and_are_confirmed_when_it_is_back() {
    let backlog = ("batcher.backlog_orders_max", BACKLOG_MAX);
    let shop = Deployment::of("mysql-away").mysql_proxy().gateway_setting(backlog.0, backlog.1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    let (gateway, worker) = (shop.gateways[0].operator(), shop.workers[0].address());
    shop.mysql_proxy.as_ref().unwrap().set(Line::Cut);
    // Before there is any order: nobody but the watch can notice.
    until_missing(worker, "store: down").await;
    let heard = fill_backlog(&shop, sale).await;
    until_ready(gateway).await;
    shop.mysql_proxy.as_ref().unwrap().set(Line::Open);
    until_ready(worker).await;
    all_is_confirmed(&shop, sale, heard).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_worker_away_buys_go_on_until_the_backlog_is_full_and_are_confirmed_when_it_is_back() {
    let backlog = ("batcher.backlog_orders_max", BACKLOG_MAX);
    let mut shop = Deployment::of("worker-away").gateway_setting(backlog.0, backlog.1).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    shop.workers[0].process.kill().await;
    let heard = fill_backlog(&shop, sale).await;
    until_ready(shop.gateways[0].operator()).await;
    shop.workers[0].start();
    shop.workers[0].ready().await;
    all_is_confirmed(&shop, sale, heard).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_workers_port_away_orders_are_placed_and_looked_up_when_it_is_back() {
    let shop = Deployment::of("worker-port-away").worker_proxy().start().await;
    let sale = shop.open_sale(SaleForm::of_stock(10)).await;
    shop.worker_proxy.as_ref().unwrap().set(Line::Cut);
    let door = shop.gateways[0].door();
    let purchase = Purchase::new(sale, "buyer", "key", 3);
    let answer = door.buy(&purchase).await;
    let order = answer.order().unwrap();
    let books = shop.conserved(sale, &[Heard { purchase, answers: vec![answer] }]).await;
    assert_eq!(books.confirmed_units(), 3);
    // A decided order is the order store's: the ledger could tell an older state.
    assert_eq!(door.order(order, "buyer").await, Err("worker_unavailable".to_owned()));
    assert_eq!(door.cancel(order, "buyer").await, Err("worker_unavailable".to_owned()));
    let unknown = "4611686018427387904".parse().unwrap();
    assert_eq!(door.order(unknown, "buyer").await, Err("worker_unavailable".to_owned()));
    shop.worker_proxy.as_ref().unwrap().set(Line::Open);
    eventually("confirmed", NOTICE_TIME, async || {
        let seen = [door.order(order, "buyer").await, door.order_grpc(order, "buyer").await];
        let confirmed = seen.iter().all(|seen| seen.as_ref().is_ok_and(|order| order.state == "confirmed"));
        confirmed.then_some(()).ok_or_else(|| format!("{seen:?}"))
    })
    .await;
    shop.stop().await;
}
