//! Faults of MySQL and of the network while orders change: each transition is made whole, and once.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{Actor, CancelReason, Cause, OrderId, OrderState, SaleId};
use flashgate_order_store::{
    Changed, LifecycleRepository, OrderChange, OrderRepository, SaleRepository, StoreError,
    contract::scene::{NOW, singles},
    server::ServerSettings,
};
use flashgate_order_store_mysql::MySqlStore;
use sqlx::{Connection, Executor, MySqlConnection, Row};
use tokio::time::sleep;

use super::{
    Database,
    faults::{hold, impatient, proxy, sale, waiting},
};

const CANCELLED: OrderState = OrderState::Cancelled(CancelReason::ByBuyer);

fn cancel(order: OrderId) -> OrderChange {
    let (actor, cause) = (Actor::Buyer, Cause::default());
    OrderChange { order, from: OrderState::Confirmed, to: CANCELLED, actor, cause }
}

/// Confirmed orders of one unit each.
pub(crate) async fn place(store: &MySqlStore, sale: SaleId, count: usize) -> Vec<OrderId> {
    let batch = singles(1, sale, count).unwrap();
    store.apply(std::slice::from_ref(&batch), NOW).await.unwrap();
    batch.orders().map(|(order, _intent)| order).collect()
}

pub(crate) async fn stock(store: &MySqlStore, sale: SaleId) -> (u64, u64) {
    let sale = store.sale(sale).await.unwrap().unwrap();
    (sale.saleable, sale.returned)
}

/// Starts a cancellation, and returns when it waits for the row of its sale.
async fn cancel_behind_a_lock(
    database: &Database,
    store: &Arc<MySqlStore>,
    order: OrderId,
) -> tokio::task::JoinHandle<Result<Changed, StoreError>> {
    let changing = tokio::spawn({
        let store = Arc::clone(store);
        async move { store.change_order(&cancel(order), NOW).await }
    });
    let mut watcher = database.connect().await;
    while waiting(database, &mut watcher).await == 0 {
        assert!(!changing.is_finished(), "it waits for the row");
        sleep(Duration::from_millis(20)).await;
    }
    changing
}

pub(crate) async fn count(connection: &mut MySqlConnection, query: &'static str) -> i64 {
    sqlx::query(query).fetch_one(connection).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_waits_too_long_for_its_sale_does_nothing() {
    let database = Database::migrated().await;
    let settings = ServerSettings {
        lock_wait_timeout: Duration::from_secs(1),
        contention_retries_max: 1,
        ..ServerSettings::default()
    };
    let store = database.store_by(&database.server, &settings, 1);
    let sale = sale(&store).await;
    let order = place(&store, sale, 1).await[0];
    let mut other = database.connect().await;
    hold(&mut other, sale).await;
    let blocked = store.change_order(&cancel(order), NOW).await;
    assert!(matches!(blocked, Err(StoreError::Contended(_))), "{blocked:?}");
    assert_eq!(store.order_events(order).await.unwrap(), []);
    assert_eq!(store.unpublished_events(NOW, 1).await.unwrap(), []);
    // The order itself is not locked any more.
    let paid = OrderChange { to: OrderState::Paid, ..cancel(order) };
    assert!(matches!(store.change_order(&paid, NOW).await.unwrap(), Changed::Now(_)));
    other.close().await.unwrap();
    assert_eq!(stock(&store, sale).await, (999, 0));
}

/// The other transaction has more rows, so that InnoDB rolls the change back.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_the_victim_of_a_deadlock_is_repeated() {
    let database = Database::migrated().await;
    let store = Arc::new(database.store(1));
    let sale = sale(&store).await;
    let orders = place(&store, sale, 100).await;
    let mut other = database.connect().await;
    hold(&mut other, sale).await;
    let touch = sqlx::query("UPDATE orders SET updated_at_ms = updated_at_ms + 1 WHERE id > ?");
    touch.bind(orders[0].get()).execute(&mut other).await.unwrap();
    let changing = cancel_behind_a_lock(&database, &store, orders[0]).await;
    let touch = sqlx::query("UPDATE orders SET updated_at_ms = updated_at_ms + 1 WHERE id = ?");
    touch.bind(orders[0].get()).execute(&mut other).await.unwrap();
    other.execute("COMMIT").await.unwrap();
    assert!(matches!(changing.await.unwrap().unwrap(), Changed::Now(event) if event.version == 2));
    assert_eq!(store.order_events(orders[0]).await.unwrap().len(), 1);
    assert_eq!(stock(&store, sale).await, (901, 1));
    other.close().await.unwrap();
}

/// The connection dies while the change waits, or at any step after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_never_comes_is_made_once() {
    let database = Database::migrated().await;
    let (proxy, server) = proxy(&database).await;
    let store = Arc::new(database.store_by(&server, &impatient(), 1));
    let sale = sale(&store).await;
    let orders = place(&store, sale, 40).await;
    let freezing = async {
        for _freeze in 0..3 {
            sleep(Duration::from_millis(15)).await;
            proxy.freeze(false);
        }
    };
    let changing = async {
        for order in &orders {
            loop {
                match store.change_order(&cancel(*order), NOW).await {
                    Ok(Changed::Now(_)) => break,
                    Ok(Changed::Elsewhere(order)) => break assert_eq!(order.state, CANCELLED),
                    Ok(Changed::Held(_) | Changed::Short(_) | Changed::Missing) => {
                        panic!("{order} is missing or held")
                    }
                    Err(fault) => assert!(fault.retry_safe(), "{fault}"),
                }
            }
        }
    };
    tokio::join!(changing, freezing);
    assert_eq!(stock(&store, sale).await, (1_000, 40));
    let mut connection = database.connect().await;
    assert_eq!(count(&mut connection, "SELECT COUNT(*) FROM order_events").await, 40);
    assert_eq!(count(&mut connection, "SELECT COUNT(*) FROM unpublished_events").await, 40);
}
