//! Faults of MySQL and of the network while payments are recorded, and the rows that this locks.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{AttemptState, CallbackId, CancelReason, OrderId, OrderState, PaymentAttempt};
use flashgate_order_store::{
    Changed, DeadlineRepository, LifecycleRepository, Opened, OrderChange, OrderRepository, PaymentReport,
    PaymentRepository, Recorded, ReportKind, contract::scene::NOW,
};
use flashgate_order_store_mysql::MySqlStore;
use sqlx::{Executor, MySqlConnection, Row};
use tokio::time::sleep;

use super::{
    Database,
    changing::{count, place, stock},
    expiring::DUE,
    faults::{impatient, proxy, sale},
};

async fn open(store: &MySqlStore, order: OrderId) -> PaymentAttempt {
    let opened = store.open_attempt(order, NOW, NOW).await.unwrap();
    let Opened::Now(attempt) = opened else { panic!("not opened: {opened:?}") };
    attempt
}

/// The number of statements on this database that wait for the row of an order.
async fn waiting(database: &Database, connection: &mut MySqlConnection) -> i64 {
    let count = "SELECT COUNT(*) FROM information_schema.processlist \
                 WHERE db = ? AND id <> CONNECTION_ID() \
                 AND (info LIKE '%FOR UPDATE OF o%' OR info LIKE '%UPDATE orders SET state%')";
    sqlx::query(count).bind(database.name()).fetch_one(connection).await.unwrap().get(0)
}

/// The connection dies while the report is recorded, or at its commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_whose_answer_never_comes_is_recorded_once() {
    let database = Database::migrated().await;
    let (proxy, server) = proxy(&database).await;
    let store = Arc::new(database.store_by(&server, &impatient(), 1));
    let sale = sale(&store).await;
    let mut attempts = Vec::new();
    for order in place(&store, sale, 40).await {
        attempts.push(open(&store, order).await);
    }
    let freezing = async {
        for _freeze in 0..3 {
            sleep(Duration::from_millis(15)).await;
            proxy.freeze(false);
        }
    };
    let recording = async {
        for attempt in &attempts {
            let callback = CallbackId::new(format!("msg_{}", attempt.id)).unwrap();
            let paid = PaymentReport { attempt: attempt.id, kind: ReportKind::Paid(attempt.due) };
            let recorded = loop {
                match store.record(&paid, Some(&callback), NOW).await {
                    Ok(recorded) => break recorded,
                    Err(error) => assert!(error.retry_safe(), "{error}"),
                }
            };
            assert!(matches!(recorded, Recorded::Done { .. } | Recorded::Repeated), "{recorded:?}");
        }
    };
    tokio::join!(recording, freezing);
    let mut connection = database.connect().await;
    for (expected, query) in [
        (40, "SELECT COUNT(*) FROM orders WHERE state = 'paid' AND version = 2"),
        (40, "SELECT COUNT(*) FROM order_events"),
        (40, "SELECT COUNT(*) FROM payment_callbacks"),
        (0, "SELECT COUNT(*) FROM refunds"),
        (0, "SELECT COUNT(*) FROM due_checks"),
    ] {
        assert_eq!(count(&mut connection, query).await, expected, "{query}");
    }
}

/// As another worker does, up to its commit.
async fn open_uncommitted(connection: &mut MySqlConnection, order: OrderId) {
    connection.execute("BEGIN").await.unwrap();
    let lock = sqlx::query("SELECT id FROM orders WHERE id = ? FOR UPDATE").bind(order.get());
    lock.fetch_one(&mut *connection).await.unwrap();
    let due = sqlx::query("INSERT INTO due_checks VALUES (?, 1, ?)");
    due.bind(order.get()).bind(DUE.as_millis()).execute(&mut *connection).await.unwrap();
    let insert = "INSERT INTO payment_attempts VALUES (?, 1, 1999, 'EUR', 'open', NULL, NULL, 0, 1, 1)";
    sqlx::query(insert).bind(order.get()).execute(connection).await.unwrap();
}

/// It is not in the snapshot of the statement that waited for the order.
#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_finds_the_attempt_that_was_opened_while_it_waited() {
    let database = Database::migrated().await;
    let store = Arc::new(database.store(1));
    let sale = sale(&store).await;
    let order = place(&store, sale, 1).await[0];
    let timeout = OrderChange {
        order,
        from: OrderState::Confirmed,
        to: OrderState::Cancelled(CancelReason::Timeout),
        actor: flashgate_domain::Actor::Deadline,
        cause: flashgate_domain::Cause::default(),
    };
    let asked = store.deadlines(None, DUE, 256).await.unwrap();
    let (mut other, mut watcher) = (database.connect().await, database.connect().await);
    open_uncommitted(&mut other, order).await;
    let [sweeper, looker] = [0, 1].map(|_worker| Arc::clone(&store));
    let sweeping = tokio::spawn(async move { sweeper.expire(&asked, DUE).await });
    let looking = tokio::spawn(async move { looker.change_order(&timeout, DUE).await });
    while waiting(&database, &mut watcher).await < 2 {
        assert!(!sweeping.is_finished() && !looking.is_finished(), "they wait for the order");
        sleep(Duration::from_millis(20)).await;
    }
    other.execute("COMMIT").await.unwrap();
    assert_eq!(sweeping.await.unwrap().unwrap(), []);
    let held = looking.await.unwrap().unwrap();
    assert!(matches!(&held, Changed::Held(order) if order.state == OrderState::Confirmed), "{held:?}");
    assert_eq!(store.order(order).await.unwrap().unwrap().version, 1);
    assert_eq!(stock(&store, sale).await, (999, 0));
    assert_eq!(store.attempts(order).await.unwrap()[0].state, AttemptState::Open);
}

/// And waits for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_skips_what_another_worker_has() {
    let database = Database::migrated().await;
    let store = database.store(1);
    let sale = sale(&store).await;
    let mut attempts = Vec::new();
    for order in place(&store, sale, 3).await {
        attempts.push(open(&store, order).await);
    }
    let mut other = database.connect().await;
    other.execute("BEGIN").await.unwrap();
    let lock = sqlx::query("SELECT at_ms FROM due_checks WHERE order_id = ? FOR UPDATE");
    lock.bind(attempts[1].id.order.get()).fetch_one(&mut other).await.unwrap();
    let claimed = store.claim_checks(NOW, DUE, 10).await.unwrap();
    let ids: Vec<_> = claimed.iter().map(|attempt| attempt.id).collect();
    assert_eq!(ids, [attempts[0].id, attempts[2].id]);
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(store.claim_checks(NOW, DUE, 10).await.unwrap().len(), 1);
}
