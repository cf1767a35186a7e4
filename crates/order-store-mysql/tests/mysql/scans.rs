//! Payment deadlines among a million orders: no statement reads a table as a whole.

use flashgate_domain::{OrderId, SaleId, Timestamp, sale::PAY_WITHIN_DEFAULT};
use flashgate_order_store::{
    DEADLINE_PAGE_MAX, DeadlineRepository, PaymentDeadline, SaleRepository,
    contract::scene::{NOW, draft},
    sql::{
        statement::Sized,
        texts::{DUE_CHECKS_HASTEN, PAYMENT_DEADLINES_SELECT, RETURN_STOCK},
    },
};
use sqlx::{
    AssertSqlSafe, Connection, Executor, MySql, MySqlConnection, Row,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};

use super::{Database, expiring::read_committed};

const BATCHES: u64 = 4_000;
const ORDERS_OF_A_BATCH: u64 = 250;
/// The rows of one statement that fills a table: more would make a larger transaction, and none quicker.
const BATCHES_OF_AN_INSERT: u64 = 400;
/// One deadline a millisecond.
const DUE: Timestamp = Timestamp::from_millis(NOW.as_millis() + BATCHES);

/// The order ids of the batch at this place. The gaps are those of real ids: a batch has 1,024.
const fn first_order(place: u64) -> u64 {
    (place + 1) << 10
}

/// Confirmed orders of `sale`, one deadline a batch.
async fn fill(database: &Database, sale: SaleId) {
    let mut connection = database.connect().await;
    connection.execute("SET SESSION sql_log_bin = 0, SESSION unique_checks = 0").await.unwrap();
    let numbers =
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999)";
    for first in (0..BATCHES).step_by(usize::try_from(BATCHES_OF_AN_INSERT).unwrap()) {
        let batch = format!("((n + {first} + 1) << 10)");
        let of_batches = format!("FROM numbers WHERE n < {BATCHES_OF_AN_INSERT}");
        let orders = format!(
            "FROM (SELECT {batch} AS base {of_batches}) b JOIN numbers WHERE n < {ORDERS_OF_A_BATCH} ORDER BY base, n"
        );
        let placed = NOW.as_millis();
        for insert in [
            format!(
                "INSERT INTO batches {numbers} SELECT {batch}, UNHEX(CONCAT(LPAD(HEX({batch}), 16, '0'), \
                 '00000000000000AB')), {ORDERS_OF_A_BATCH}, {placed} {of_batches}"
            ),
            format!(
                "INSERT INTO orders (id, sale_id, buyer_id, idempotency_key, holds_key, quantity, state, \
                 created_at_ms, updated_at_ms) {numbers} \
                 SELECT base + n, {sale}, LPAD(base + n, 16, '0'), 'key', 1, 1, 'confirmed', {placed}, {placed} \
                 {orders}"
            ),
            format!(
                "INSERT INTO due_checks {numbers} SELECT {batch}, 1, {placed} + {first} + n {of_batches}"
            ),
            format!(
                "INSERT INTO payment_attempts {numbers} SELECT {batch}, 1, 1999, 'EUR', 'open', NULL, NULL, 0, \
                 {placed}, {placed} {of_batches}"
            ),
            format!(
                "INSERT INTO payment_deadlines {numbers} SELECT {placed} + {first} + n, {batch} {of_batches}"
            ),
        ] {
            connection.execute(AssertSqlSafe(insert)).await.unwrap();
        }
    }
    connection.close().await.unwrap();
}

/// Rows that the session has read until now, of tables and of intermediate results.
async fn rows_read(connection: &mut MySqlConnection) -> u64 {
    let rows = connection.fetch_all("SHOW SESSION STATUS LIKE 'Handler_read%'").await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(1).parse::<u64>().unwrap()).sum()
}

/// Executes a statement, which may read at most `rows_max` rows.
async fn within<'q>(
    connection: &mut MySqlConnection,
    rows_max: usize,
    statement: Query<'q, MySql, MySqlArguments>,
) -> Vec<MySqlRow> {
    let before = rows_read(connection).await;
    let rows = statement.fetch_all(&mut *connection).await.unwrap();
    let read = rows_read(connection).await - before;
    assert!(read <= u64::try_from(rows_max).unwrap(), "{read} rows read, {rows_max} expected");
    rows
}

fn json(ids: impl Iterator<Item = u64>) -> String {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}

/// A page, wherever it begins.
async fn pages(connection: &mut MySqlConnection, size: usize) {
    for (after, until, expected) in [
        (0, DUE.as_millis(), size),
        (NOW.as_millis() + BATCHES / 2, DUE.as_millis(), size),
        (DUE.as_millis() - 2, DUE.as_millis(), 1),
        (0, NOW.as_millis() - 1, 0),
    ] {
        let page = sqlx::query(PAYMENT_DEADLINES_SELECT)
            .bind(after)
            .bind(until)
            .bind(after)
            .bind(u64::MAX >> 1)
            .bind(u32::try_from(size).unwrap());
        assert_eq!(within(connection, size + 2, page).await.len(), expected);
    }
}

/// The statements of an expiry, as `deadlines.rs` executes them.
async fn expiry(connection: &mut MySqlConnection, deadlines: &[PaymentDeadline], sale: SaleId) {
    let asked = |statement: Sized| {
        let mut query = sqlx::query(AssertSqlSafe(statement.text(deadlines.len()).to_string()));
        for deadline in deadlines {
            query = query.bind(deadline.at.as_millis()).bind(deadline.first_order.get());
        }
        query
    };
    let few = 2 * deadlines.len() + 2;
    let claim = asked(Sized::new(include_str!("../../sql/payment_deadlines_claim.sql")));
    assert_eq!(within(connection, few, claim).await.len(), deadlines.len());
    let ids = || {
        let first = deadlines.iter().map(|deadline| deadline.first_order.get());
        first.flat_map(|first| first..first + ORDERS_OF_A_BATCH)
    };
    // For each order: the row of the argument, the order, and its batch and sale unless they were read just before.
    let many = 6 * ids().count();
    let lock = sqlx::query(include_str!("../../sql/orders_confirmed_lock.sql")).bind(json(ids()));
    assert_eq!(within(connection, many, lock).await.len(), ids().count());
    let open = sqlx::query(include_str!("../../sql/orders_due_checks_select.sql")).bind(json(ids()));
    assert_eq!(within(connection, many, open).await.len(), deadlines.len());
    let change = sqlx::query(include_str!("../../sql/orders_change.sql"));
    let change = change.bind(json(ids())).bind("cancelled").bind("timeout").bind(DUE.as_millis());
    within(connection, many, change).await;
    within(connection, few, asked(Sized::new(include_str!("../../sql/payment_deadlines_delete.sql")))).await;
    within(connection, 2, sqlx::query(RETURN_STOCK).bind(1).bind(1).bind(1).bind(sale.get())).await;
}

/// The statements of a claim, as `payments/due.rs` executes them.
async fn claim(connection: &mut MySqlConnection, size: u32) {
    // For each check: the row of the argument, the check, the attempt, and the rows of the sort.
    let few = 10 * usize::try_from(size).unwrap() + 2;
    let claim = sqlx::query(include_str!("../../sql/due_checks_claim.sql")).bind(DUE.as_millis()).bind(size);
    let claimed = within(connection, few, claim).await;
    let keys: Vec<String> =
        claimed.iter().map(|row| format!("[{},{}]", row.get::<u64, _>(0), row.get::<u32, _>(1))).collect();
    assert_eq!(keys.len(), usize::try_from(size).unwrap());
    let asked = format!("[{}]", keys.join(","));
    let count = sqlx::query(include_str!("../../sql/due_checks_try.sql"));
    within(connection, few, count.bind(&asked).bind(DUE.as_millis())).await;
    let read = sqlx::query(include_str!("../../sql/due_checks_read.sql")).bind(&asked);
    assert_eq!(within(connection, few, read).await.len(), keys.len());
    let hasten = sqlx::query(DUE_CHECKS_HASTEN).bind(1).bind(first_order(7)).bind(1);
    within(connection, 4, hasten).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn among_a_million_orders_only_those_that_are_due_are_read() {
    let database = Database::migrated().await;
    let store = database.store(1);
    let sale = store.create_sale(&draft("A thing", 1_000).unwrap(), NOW).await.unwrap().id;
    fill(&database, sale).await;
    let mut connection = database.connect().await;
    read_committed(&mut connection).await;
    let size = usize::try_from(DEADLINE_PAGE_MAX).unwrap();
    pages(&mut connection, size).await;

    let all: Vec<PaymentDeadline> = (0..BATCHES)
        .map(|place| PaymentDeadline {
            at: Timestamp::from_millis(NOW.as_millis() + place),
            first_order: OrderId::new(first_order(place)).unwrap(),
        })
        .collect();
    assert_eq!(store.deadlines(None, DUE, u32::MAX).await.unwrap(), all[..size]);
    connection.execute("BEGIN").await.unwrap();
    expiry(&mut connection, &all[1_000..1_008], sale).await;
    claim(&mut connection, 64).await;
    let insert = sqlx::query(include_str!("../../sql/payment_deadlines_insert.sql"));
    let placed = format!("[[{}, {sale}]]", first_order(BATCHES));
    within(&mut connection, 9, insert.bind(NOW.as_millis()).bind(placed)).await;
    connection.execute("ROLLBACK").await.unwrap();

    // An open attempt of each batch waits for the provider.
    connection.execute("DELETE FROM due_checks").await.unwrap();
    let now = NOW.saturating_add(PAY_WITHIN_DEFAULT);
    let events = store.expire(&all[..8], now).await.unwrap();
    assert_eq!(u64::try_from(events.len()).unwrap(), 8 * ORDERS_OF_A_BATCH);
    assert_eq!(store.deadlines(None, now, 1).await.unwrap(), all[8..9]);
}
