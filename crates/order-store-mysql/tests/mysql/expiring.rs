//! Faults of MySQL and of the network while unpaid orders are cancelled, and the rows that this locks.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{
    Batch, CancelReason, OrderEvent, OrderId, OrderState, SaleId, Timestamp, sale::PAY_WITHIN_DEFAULT,
};
use flashgate_order_store::{
    DeadlineRepository, LifecycleRepository, OrderRepository, PaymentDeadline, StoreError,
    contract::scene::{NOW, singles},
    server::ServerSettings,
};
use flashgate_order_store_mysql::MySqlStore;
use sqlx::{Connection, Executor, MySqlConnection};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{
    Database,
    changing::{count, place, stock},
    faults::{GENEROUS, hold, impatient, proxy, sale, waiting},
};

const EXPIRED: OrderState = OrderState::Cancelled(CancelReason::Timeout);
/// When orders of a sale of these tests are due.
pub(crate) const DUE: Timestamp =
    Timestamp::from_millis(NOW.as_millis() + PAY_WITHIN_DEFAULT.as_secs() * 1_000);

type Expiring = JoinHandle<Result<Vec<OrderEvent>, StoreError>>;

async fn deadlines(store: &MySqlStore) -> Vec<PaymentDeadline> {
    store.deadlines(None, DUE, 256).await.unwrap()
}

async fn state(store: &MySqlStore, order: OrderId) -> OrderState {
    store.order(order).await.unwrap().unwrap().state
}

/// Starts to expire all deadlines, and returns when it waits for the row of a sale.
async fn expire_behind_a_lock(database: &Database, store: &Arc<MySqlStore>) -> Expiring {
    let asked = deadlines(store).await;
    let expiring = tokio::spawn({
        let store = Arc::clone(store);
        async move { store.expire(&asked, DUE).await }
    });
    let mut watcher = database.connect().await;
    while waiting(database, &mut watcher).await == 0 {
        assert!(!expiring.is_finished(), "it waits for the row");
        sleep(Duration::from_millis(20)).await;
    }
    expiring
}

/// Batches of one order.
async fn place_small(store: &MySqlStore, sale: SaleId, count: u64) -> Vec<OrderId> {
    let batches: Vec<Batch> = (1..=count).map(|number| singles(number, sale, 1).unwrap()).collect();
    store.apply(&batches, NOW).await.unwrap();
    batches.iter().map(|batch| batch.id().base()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_that_waits_too_long_for_its_sale_does_nothing() {
    let database = Database::migrated().await;
    let settings = ServerSettings {
        lock_wait_timeout: Duration::from_secs(1),
        contention_retries_max: 1,
        ..ServerSettings::default()
    };
    let store = database.store_by(&database.server, &settings, 1);
    let sale = sale(&store).await;
    let order = place(&store, sale, 1).await[0];
    let asked = deadlines(&store).await;
    let mut other = database.connect().await;
    hold(&mut other, sale).await;
    let blocked = store.expire(&asked, DUE).await;
    assert!(matches!(blocked, Err(StoreError::Contended(_))), "{blocked:?}");
    assert_eq!(state(&store, order).await, OrderState::Confirmed);
    assert_eq!(store.order_events(order).await.unwrap(), []);
    other.close().await.unwrap();
    assert_eq!(store.expire(&asked, DUE).await.unwrap().len(), 1);
    assert_eq!(stock(&store, sale).await, (1_000, 1));
}

/// The other transaction has more rows, so that InnoDB rolls the expiry back.
#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_that_is_the_victim_of_a_deadlock_is_repeated() {
    let database = Database::migrated().await;
    let store = Arc::new(database.store(1));
    let (sale, many) = (sale(&store).await, sale(&store).await);
    let orders = place_small(&store, sale, 3).await;
    let others = singles(9, many, 100).unwrap();
    store.apply(std::slice::from_ref(&others), DUE).await.unwrap();
    let mut other = database.connect().await;
    hold(&mut other, sale).await;
    let touch = sqlx::query("UPDATE orders SET updated_at_ms = updated_at_ms + 1 WHERE id >= ?");
    touch.bind(others.id().base().get()).execute(&mut other).await.unwrap();
    let expiring = expire_behind_a_lock(&database, &store).await;
    let touch = sqlx::query("UPDATE orders SET updated_at_ms = updated_at_ms + 1 WHERE id = ?");
    touch.bind(orders[1].get()).execute(&mut other).await.unwrap();
    other.execute("COMMIT").await.unwrap();
    let cancelled: Vec<OrderId> = expiring.await.unwrap().unwrap().iter().map(|event| event.order).collect();
    assert_eq!(cancelled, orders);
    assert_eq!(stock(&store, sale).await, (1_000, 3));
    assert_eq!(stock(&store, many).await, (900, 0));
    other.close().await.unwrap();
}

/// The connection dies while the transaction is under way, or at its commit.
#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_whose_answer_never_comes_is_made_once() {
    let database = Database::migrated().await;
    let (proxy, server) = proxy(&database).await;
    let store = Arc::new(database.store_by(&server, &impatient(), 1));
    let sale = sale(&store).await;
    let orders = place_small(&store, sale, 40).await;
    let asked = deadlines(&store).await;
    assert_eq!(asked.len(), 40);
    let freezing = async {
        for _freeze in 0..3 {
            sleep(Duration::from_millis(15)).await;
            proxy.freeze(false);
        }
    };
    let expiring = async {
        for deadline in &asked {
            while let Err(error) = store.expire(&[*deadline], DUE).await {
                assert!(error.retry_safe(), "{error}");
            }
        }
    };
    tokio::join!(expiring, freezing);
    // An abandoned transaction may have held a deadline, which was skipped then.
    let patience = Instant::now() + GENEROUS;
    while !deadlines(&store).await.is_empty() {
        assert!(Instant::now() < patience, "a deadline stays");
        store.expire(&asked, DUE).await.unwrap();
    }
    for order in orders {
        assert_eq!(state(&store, order).await, EXPIRED);
    }
    assert_eq!(stock(&store, sale).await, (1_000, 40));
    let mut connection = database.connect().await;
    assert_eq!(count(&mut connection, "SELECT COUNT(*) FROM order_events").await, 40);
    assert_eq!(count(&mut connection, "SELECT COUNT(*) FROM unpublished_events").await, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_another_worker_has_is_skipped() {
    let database = Database::migrated().await;
    let store = Arc::new(database.store(1));
    let (held, free) = (sale(&store).await, sale(&store).await);
    let first = place(&store, held, 2).await;
    let mut other = database.connect().await;
    hold(&mut other, held).await;
    let expiring = expire_behind_a_lock(&database, &store).await;
    let second = singles(2, free, 3).unwrap();
    store.apply(&[second], NOW).await.unwrap();
    let asked = deadlines(&store).await;
    assert_eq!((asked.len(), asked[0].first_order), (2, first[0]), "it is stored until the commit");
    assert_eq!(store.expire(&asked, DUE).await.unwrap().len(), 3, "of the other batch");
    assert_eq!((stock(&store, free).await, stock(&store, held).await), ((1_000, 3), (998, 0)));
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(expiring.await.unwrap().unwrap().len(), 2);
    assert_eq!(deadlines(&store).await, []);
    assert_eq!(stock(&store, held).await, (1_000, 2));
    other.close().await.unwrap();
}

/// A hot sale is locked by the last statement of a chunk and no earlier: the deadlines do not lock it, so that another
/// transaction gets its row while they are stored.
#[tokio::test(flavor = "multi_thread")]
async fn storing_deadlines_locks_no_sale() {
    let database = Database::migrated().await;
    let store = database.store(1);
    let sale = sale(&store).await;
    let (mut one, mut other) = (database.connect().await, database.connect().await);
    read_committed(&mut one).await;
    one.execute("BEGIN").await.unwrap();
    let insert = sqlx::query(include_str!("../../sql/payment_deadlines_insert.sql"));
    let insert = insert.bind(NOW.as_millis()).bind(format!("[[1024, {sale}]]"));
    assert_eq!(insert.execute(&mut one).await.unwrap().rows_affected(), 1);
    hold_now(&mut other, sale).await;
    one.execute("ROLLBACK").await.unwrap();
    // Nor does it wait for the row.
    one.execute("BEGIN").await.unwrap();
    one.execute("SET SESSION innodb_lock_wait_timeout = 1").await.unwrap();
    let insert = sqlx::query(include_str!("../../sql/payment_deadlines_insert.sql"));
    let insert = insert.bind(NOW.as_millis()).bind(format!("[[1024, {sale}]]"));
    assert_eq!(insert.execute(&mut one).await.unwrap().rows_affected(), 1);
}

pub(crate) async fn read_committed(connection: &mut MySqlConnection) {
    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await.unwrap();
}

async fn hold_now(connection: &mut MySqlConnection, sale: SaleId) {
    connection.execute("BEGIN").await.unwrap();
    let row = sqlx::query("SELECT id FROM sales WHERE id = ? FOR UPDATE NOWAIT").bind(sale.get());
    row.fetch_one(connection).await.unwrap();
}
