//! Faults of MySQL, of the network and of other clients, and their effect on the worker's connections.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use flashgate_domain::{Batch, SaleId};
use flashgate_order_store::{
    DeploymentRepository, OrderRepository, SaleRepository, SnapshotRepository, StoreError,
    contract::scene::{NOW, decided, decisions, draft, singles},
    server::ServerSettings,
};
use flashgate_order_store_mysql::MySqlStore;
use sqlx::{Connection, Executor, MySqlConnection, Row};
use tokio::time::{Instant, sleep, timeout};

use super::{Database, proxy::Proxy};

/// Longer than any step here that ends by itself.
pub(crate) const GENEROUS: Duration = Duration::from_secs(60);

/// A proxy in front of the server, and the server's URL through it.
pub(crate) async fn proxy(database: &Database) -> (Proxy, String) {
    let (login, address) = database.server.rsplit_once('@').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let proxy = Proxy::before(address).await;
    let url = format!("{login}@{}", proxy.address);
    (proxy, url)
}

/// Short timeouts, except for the server's idle timeout.
pub(crate) fn impatient() -> ServerSettings {
    ServerSettings {
        acquire_timeout: Duration::from_secs(2),
        call_timeout: Duration::from_secs(2),
        session_timeout: Duration::from_secs(600),
        ..ServerSettings::default()
    }
}

pub(crate) async fn sale(store: &MySqlStore) -> SaleId {
    store.create_sale(&draft("A thing", 1_000).unwrap(), NOW).await.unwrap().id
}

/// Locks the row of a sale until its transaction ends.
pub(crate) async fn hold(connection: &mut MySqlConnection, sale: SaleId) {
    connection.execute("BEGIN").await.unwrap();
    let row = sqlx::query("SELECT id FROM sales WHERE id = ? FOR UPDATE").bind(sale.get());
    row.fetch_one(&mut *connection).await.unwrap();
}

/// The number of connections to this database that take units now: a long time only if they wait for the row.
pub(crate) async fn waiting(database: &Database, connection: &mut MySqlConnection) -> i64 {
    let count = "SELECT COUNT(*) FROM information_schema.processlist \
                 WHERE db = ? AND id <> CONNECTION_ID() AND info LIKE '%UPDATE sales%SET saleable%'";
    let row = sqlx::query(count).bind(&database.name).fetch_one(connection).await.unwrap();
    row.get(0)
}

async fn until_applied(store: &MySqlStore, batch: &Batch) {
    let deadline = Instant::now() + GENEROUS;
    loop {
        match store.apply(std::slice::from_ref(batch), NOW).await {
            Ok(placed) => return assert_eq!(decided(placed).unwrap().len(), 1),
            Err(fault) => assert!(fault.retry_safe() && Instant::now() < deadline, "{fault}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_at_which_nothing_happens_any_more_does_not_keep_its_place() {
    let database = Database::migrated().await;
    let (proxy, server) = proxy(&database).await;
    let settings = ServerSettings { connections_max: 1.try_into().unwrap(), ..impatient() };
    let store = database.store_by(&server, &settings, 1);
    let sale = sale(&store).await;
    for _round in 0..3 {
        proxy.freeze(false);
        let late = store.sale(sale).await;
        assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
        timeout(GENEROUS, store.sale(sale)).await.unwrap().unwrap();
    }
    // A call that is dropped in flight abandons its connection as well.
    proxy.freeze(false);
    assert!(timeout(Duration::from_millis(200), store.sale(sale)).await.is_err());
    timeout(GENEROUS, store.sale(sale)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_waited_for_with_a_timeout() {
    let database = Database::migrated().await;
    let (proxy, server) = proxy(&database).await;
    let store = database.store_by(&server, &impatient(), 1);
    proxy.freeze(true);
    for _call in 0..2 {
        let pinged = timeout(GENEROUS, store.ping()).await.expect("it ends");
        assert!(matches!(pinged, Err(StoreError::Unavailable(_))), "{pinged:?}");
    }
    proxy.freeze(false);
    store.ping().await.unwrap();
}

/// The transaction got the row after its client was gone, so that no client ends it: only the kill explains that its
/// rows are unlocked, since the server would keep the session for ten minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_without_a_client_releases_its_rows() {
    let database = Database::migrated().await;
    let (proxy, server) = proxy(&database).await;
    let settings = ServerSettings { lock_wait_timeout: Duration::from_secs(30), ..impatient() };
    let store = Arc::new(database.store_by(&server, &settings, 1));
    let sale = sale(&store).await;
    let mut other = database.connect().await;
    hold(&mut other, sale).await;

    let batch = singles(1, sale, 3).unwrap();
    let applying = tokio::spawn({
        let (store, batch) = (Arc::clone(&store), batch.clone());
        async move { store.apply(&[batch], NOW).await }
    });
    let mut watcher = database.connect().await;
    while waiting(&database, &mut watcher).await == 0 {
        if applying.is_finished() {
            panic!("it waits for the row: {:?}", applying.await.unwrap());
        }
        sleep(Duration::from_millis(20)).await;
    }
    proxy.freeze(false);
    other.execute("ROLLBACK").await.unwrap();
    let late = applying.await.unwrap();
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");

    until_applied(&store, &batch).await;
    assert_eq!(store.sale(sale).await.unwrap().unwrap().saleable, 1_000 - 3, "once");
}

/// Whether the server had received it already or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_never_comes_is_done_once() {
    let database = Database::migrated().await;
    let (proxy, server) = proxy(&database).await;
    let store = Arc::new(database.store_by(&server, &impatient(), 1));
    let sale = sale(&store).await;
    let batches: Vec<Batch> = (1..=40).map(|number| singles(number, sale, 2).unwrap()).collect();
    let freezing = async {
        for _freeze in 0..3 {
            sleep(Duration::from_millis(15)).await;
            proxy.freeze(false);
        }
    };
    let applying = async {
        for batch in &batches {
            until_applied(&store, batch).await;
        }
    };
    tokio::join!(applying, freezing);
    let snapshot = store.snapshot(sale, &[]).await.unwrap().unwrap();
    assert_eq!((snapshot.orders.confirmed.orders, snapshot.saleable), (80, 1_000 - 80));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_sale_is_reported_and_delays_no_other() {
    let database = Database::migrated().await;
    let settings = ServerSettings { lock_wait_timeout: Duration::from_secs(1), ..ServerSettings::default() };
    let store = database.store_by(&database.server, &settings, 1);
    let (held, free) = (sale(&store).await, sale(&store).await);
    let mut other = database.connect().await;
    hold(&mut other, held).await;

    let batches = [singles(1, held, 1).unwrap(), singles(2, free, 2).unwrap()];
    let blocked = store.apply(&batches, NOW).await;
    assert!(matches!(&blocked, Err(StoreError::Blocked { sales }) if *sales == [held]), "{blocked:?}");
    assert_eq!(store.locked_sales(&[held, free]).await.unwrap(), [held]);
    let placed = decided(store.apply(&batches[1..], NOW).await.unwrap()).unwrap();
    assert_eq!(decisions(&placed).len(), 2);

    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(store.locked_sales(&[held, free]).await.unwrap(), []);
    until_applied(&store, &batches[0]).await;
    other.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_server_has_ended_is_not_used() {
    let database = Database::migrated().await;
    let settings = ServerSettings { session_timeout: Duration::from_secs(1), ..ServerSettings::default() };
    let store = database.store_by(&database.server, &settings, 1);
    let sale = sale(&store).await;
    let mut watcher = database.connect().await;
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()";
    loop {
        let row = sqlx::query(count).bind(&database.name).fetch_one(&mut watcher).await.unwrap();
        if row.get::<i64, _>(0) == 0 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(store.sale(sale).await.unwrap().is_some());
}

/// Only the index knows which orders a sale has.
#[tokio::test]
async fn the_orders_of_a_sale_are_counted_in_the_index_alone() {
    let database = Database::migrated().await;
    let store = database.store(1);
    let sale = sale(&store).await;
    for number in 1..=4 {
        store.apply(&[singles(number, sale, 500).unwrap()], NOW).await.ok();
    }
    let explain = concat!("EXPLAIN ", include_str!("../../sql/orders_span_select.sql"));
    // EXPLAIN does not accept the header of the file alone as a comment: it precedes the statement.
    let mut connection = database.connect().await;
    let plan = sqlx::query(explain).bind(sale.get()).fetch_one(&mut connection).await.unwrap();
    let (key, extra): (String, String) = (plan.get("key"), plan.get("Extra"));
    assert_eq!((key.as_str(), extra.as_str()), ("orders_sale_buyer_key", "Using index"));
}

/// A page of buyers reads no further than its end, however many follow: it neither sorts nor uses a temporary table.
#[tokio::test]
async fn a_page_of_buyers_walks_the_index() {
    let database = Database::migrated().await;
    let store = database.store(1);
    let sale = sale(&store).await;
    for number in 1..=4 {
        store.apply(&[singles(number, sale, 500).unwrap()], NOW).await.unwrap();
    }
    let explain = concat!("EXPLAIN ", include_str!("../../sql/buyers_page_select.sql"));
    let mut connection = database.connect().await;
    let query = sqlx::query(explain).bind(sale.get()).bind("buyer-2").bind(100_u32);
    let plan = query.fetch_one(&mut connection).await.unwrap();
    let (key, access): (String, String) = (plan.get("key"), plan.get("type"));
    assert_eq!((key.as_str(), access.as_str()), ("orders_sale_buyer_key", "range"));
    let extra: String = plan.get("Extra");
    assert!(!extra.contains("temporary") && !extra.contains("filesort"), "{extra}");
}

/// The orders of a buyer are found by the sales, never by walking the orders.
#[tokio::test]
async fn the_orders_of_a_buyer_are_found_in_the_unique_key() {
    let database = Database::migrated().await;
    let store = database.store(1);
    for number in 1..=4 {
        let sale = sale(&store).await;
        store.apply(&[singles(number, sale, 500).unwrap()], NOW).await.unwrap();
    }
    let explain = concat!("EXPLAIN ", include_str!("../../sql/buyer_orders_select.sql"));
    let mut connection = database.connect().await;
    let query = sqlx::query(explain).bind("buyer-2").bind(u64::MAX >> 1).bind(20_u32);
    let plan = query.fetch_all(&mut connection).await.unwrap();
    let of_table = |name: &str| {
        let row =
            plan.iter().find(|row| row.get::<Option<String>, _>("table").as_deref() == Some(name)).unwrap();
        ["type", "key"].map(|column| row.get::<Option<String>, _>(column).unwrap_or_default())
    };
    assert_eq!(of_table("mine"), ["ref", "orders_sale_buyer_key"]);
    for table in ["o", "b"] {
        assert_eq!(of_table(table), ["eq_ref", "PRIMARY"], "{table}");
    }
}
