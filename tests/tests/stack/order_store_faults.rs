//! MySQL frozen, held by somebody, and demoted: each is noticed within seconds, nothing else waits for it, and all heals
//! without a restart.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use flashgate_domain::SaleId;
use flashgate_tests::{
    Answer, Deployment, Door, Heard, Purchase, Rush, SaleForm, eventually, order_store::OrderStore,
    stack::Stack,
};
use http::Request;
use sqlx::MySqlPool;
use tokio::sync::RwLock;

const TIME_TO_SEE: Duration = Duration::from_secs(60);

/// Whoever demotes the server does so alone: it is the same for all tests.
static SERVER: RwLock<()> = RwLock::const_new(());

async fn until_accepted(rush: &Rush, count: usize) {
    eventually("buyers buy", TIME_TO_SEE, async || {
        let accepted = rush.accepted();
        (accepted >= count).then_some(()).ok_or(format!("{accepted} accepted"))
    })
    .await;
}

/// Waits until the worker says so of its store.
async fn until_store_is(word: &str, worker: SocketAddr) {
    eventually(&format!("the store is {word}"), TIME_TO_SEE, async || {
        let ask = Request::get("/healthz/ready").body(Bytes::new().into()).unwrap();
        let ready = Door::new(worker, worker).http(ask).await.unwrap();
        let text = String::from_utf8(ready.body().to_vec()).unwrap();
        text.contains(&format!("store: {word}")).then_some(()).ok_or(text)
    })
    .await;
}

async fn state_of(shop: &Deployment, heard: &Heard) -> String {
    let order = heard.order().unwrap();
    shop.gateways[0].door().order(order, &heard.purchase.buyer).await.unwrap().state
}

async fn buy(shop: &Deployment, sale: SaleId, buyer: &str) -> Heard {
    let purchase = Purchase::new(sale, buyer, "once", 1);
    let answer = shop.gateways[0].door().buy(&purchase).await;
    assert!(matches!(answer, Answer::Accepted(_)), "{answer:?}");
    Heard { purchase, answers: vec![answer] }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_at_which_nothing_ever_happens_again_are_left_and_free_what_they_hold() {
    let _server = SERVER.read().await;
    // So few that a frozen one cannot be done without.
    let plan = Deployment::of("mysql-frozen").mysql_proxy().worker_setting("order_store.connections_max", 2);
    let shop = plan.worker_setting("order_store.call_timeout_ms", 3_000).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100_000)).await;
    let rush = Rush::start(sale, &[shop.gateways[0].door()], 8);
    for round in 1..=3 {
        until_accepted(&rush, round * 50).await;
        // A worker that has just left a connection may have none at this moment.
        shop.mysql_proxy.as_ref().unwrap().freeze_open().await;
        // Whatever was accepted by then, and froze with its transaction.
        let heard = buy(&shop, sale, &format!("round-{round}")).await;
        eventually("confirmed", TIME_TO_SEE, async || {
            let state = state_of(&shop, &heard).await;
            (state == "confirmed").then_some(()).ok_or(state)
        })
        .await;
    }
    let heard = rush.end().await;
    let books = shop.settled(sale).await;
    flashgate_tests::books::kept_promises(sale, &heard, &books.orders);
    assert_eq!(books.sale.saleable, 100_000 - u64::try_from(books.orders.len()).unwrap());
    let left = shop.worker_metric("flashgate_worker_abandoned_sessions_total", &[]).await;
    assert!(left > 0.0, "sessions were left, and ended on the server");
    shop.stop().await;
}

/// Holds the row of a sale until it is dropped.
async fn hold(store: &OrderStore, sale: SaleId) -> sqlx::Transaction<'static, sqlx::MySql> {
    let mut transaction = store.pool().begin().await.unwrap();
    let row = sqlx::query("SELECT id FROM sales WHERE id = ? FOR UPDATE").bind(sale.get());
    row.fetch_one(&mut *transaction).await.unwrap();
    transaction
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_row_of_one_sale_holds_up_that_sale_alone() {
    let _server = SERVER.read().await;
    let shop = Deployment::of("mysql-held").start().await;
    let (held, free) =
        (shop.open_sale(SaleForm::of_stock(100)).await, shop.open_sale(SaleForm::of_stock(100_000)).await);
    let worker = shop.workers[0].address();
    let holder = hold(&shop.store, held).await;
    let waiting = [buy(&shop, held, "first").await];
    let rush = Rush::start(free, &[shop.gateways[0].door()], 8);
    until_accepted(&rush, 50).await;
    eventually("the worker knows which sale waits", TIME_TO_SEE, async || {
        let blocked = shop.worker_metric("flashgate_worker_blocked_sales", &[]).await;
        (blocked == 1.0).then_some(()).ok_or(format!("{blocked}"))
    })
    .await;
    // Taken after it was known: nobody waits for the row with them.
    until_accepted(&rush, rush.accepted() + 50).await;
    let heard = rush.end().await;
    eventually("the other sale is confirmed", TIME_TO_SEE, async || {
        let confirmed = shop.store.orders(free).await.len();
        (confirmed >= heard.len()).then_some(()).ok_or(format!("{confirmed} of {}", heard.len()))
    })
    .await;
    assert_eq!(state_of(&shop, &waiting[0]).await, "pending");
    // Nothing but what waits is left.
    until_store_is("down", worker).await;

    holder.rollback().await.unwrap();
    until_store_is("up", worker).await;
    shop.conserved(held, &waiting).await;
    shop.conserved(free, &heard).await;
    shop.stop().await;
}

/// Takes writes again, whatever happens to the test.
struct Demoted(String);

impl Demoted {
    async fn set(pool: &MySqlPool, on: bool) {
        for variable in ["super_read_only", "read_only"] {
            let set = format!("SET GLOBAL {variable} = {}", u8::from(on));
            sqlx::query(sqlx::AssertSqlSafe(set)).execute(pool).await.unwrap();
        }
    }
}

impl Drop for Demoted {
    fn drop(&mut self) {
        let url = self.0.clone();
        let promote = async move {
            let pool = MySqlPool::connect(&url).await.unwrap();
            Self::set(&pool, false).await;
            pool.close().await;
        };
        // The test's own runtime may be busy ending.
        let joined = std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(promote);
        });
        joined.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_is_left_until_it_does() {
    let _server = SERVER.write().await;
    let shop = Deployment::of("mysql-demoted").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    let worker = shop.workers[0].address();
    let mut heard = vec![buy(&shop, sale, "before").await];
    {
        let _demoted = Demoted(shop.store.url().to_owned());
        Demoted::set(shop.store.pool(), true).await;
        // Before there is any order: the health check does what the work does.
        until_store_is("down", worker).await;
        heard.push(buy(&shop, sale, "meanwhile").await);
    }
    until_store_is("up", worker).await;
    shop.conserved(sale, &heard).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_finds_another_schema_ends_with_the_exit_code_for_that() {
    let mut shop = Deployment::of("schema").gateways(0).prepare().await;
    let empty =
        OrderStore::create(&Stack::from_env().mysql_url, &format!("{}_empty", shop.store.database())).await;
    shop.workers[0].set("order_store.url", empty.url());
    shop.workers[0].start();
    let status = shop.workers[0].process.died().await;
    assert_eq!(status.code(), Some(3), "{status}\n{}", shop.workers[0].process.log_tail());
    empty.drop_database().await;
    shop.stop().await;
}
