//! The work that is due: checks of open attempts, and refunds in progress.

use std::collections::BTreeSet;

use flashgate_domain::{AttemptId, Cause, OrderId, PaymentAttempt, Refund, RefundKey, Timestamp};
use flashgate_order_store::{
    DueCheck, DueRefund, PAYMENT_PAGE_MAX,
    sql::{
        columns::{self, InvalidColumn},
        payments,
        texts::{
            DUE_CHECK_POSTPONE, DUE_CHECKS_HASTEN, DUE_CHECKS_SELECT, DUE_REFUND_POSTPONE,
            DUE_REFUNDS_SELECT, REFUND_ERROR_UPDATE,
        },
    },
};
use serde_json::Value;
use sqlx::{Connection, MySqlConnection, Row, mysql::MySqlRow};

use super::{rows, write::bind_key};
use crate::fault::QueryError;

const DUE_CHECKS_CLAIM: &str = include_str!("../../sql/due_checks_claim.sql");
const DUE_CHECKS_READ: &str = include_str!("../../sql/due_checks_read.sql");
const DUE_CHECKS_TRY: &str = include_str!("../../sql/due_checks_try.sql");
const DUE_REFUNDS_CLAIM: &str = include_str!("../../sql/due_refunds_claim.sql");
const DUE_REFUNDS_READ: &str = include_str!("../../sql/due_refunds_read.sql");
const DUE_REFUNDS_TRY: &str = include_str!("../../sql/due_refunds_try.sql");
const ORDERS_DUE_CHECKS_HASTEN: &str = include_str!("../../sql/orders_due_checks_hasten.sql");
const ORDERS_DUE_CHECKS_SELECT: &str = include_str!("../../sql/orders_due_checks_select.sql");

/// Those of `orders`, which this transaction has locked, with an open attempt.
pub(crate) async fn open_among(
    connection: &mut MySqlConnection,
    orders: impl Iterator<Item = OrderId>,
) -> Result<BTreeSet<OrderId>, QueryError> {
    let ids: Value = orders.map(OrderId::get).collect();
    let rows = sqlx::query(ORDERS_DUE_CHECKS_SELECT).bind(ids.to_string()).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(columns::order_id(row.try_get("order_id")?)?)).collect()
}

/// Makes the check of an order's open attempt due now.
pub(super) async fn hasten(
    connection: &mut MySqlConnection,
    order: OrderId,
    now: Timestamp,
) -> sqlx::Result<()> {
    let now = now.as_millis();
    let update = sqlx::query(DUE_CHECKS_HASTEN).bind(now).bind(order.get()).bind(now);
    update.execute(connection).await?;
    Ok(())
}

/// The same for the open attempts of many orders.
pub(crate) async fn hasten_all(
    connection: &mut MySqlConnection,
    orders: &BTreeSet<OrderId>,
    now: Timestamp,
) -> sqlx::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let ids: Value = orders.iter().map(|order| order.get()).collect();
    let now = now.as_millis();
    let update = sqlx::query(ORDERS_DUE_CHECKS_HASTEN).bind(ids.to_string()).bind(now).bind(now);
    update.execute(connection).await?;
    Ok(())
}

pub(super) async fn checks(
    connection: &mut MySqlConnection,
    until: Timestamp,
    size: u32,
) -> Result<Vec<DueCheck>, QueryError> {
    let query = sqlx::query(DUE_CHECKS_SELECT).bind(until.as_millis()).bind(size.min(PAYMENT_PAGE_MAX));
    let due = |row: &MySqlRow| {
        let (order, number) = (row.try_get("order_id")?, row.try_get("number")?);
        Ok(payments::due_check(row.try_get("at_ms")?, order, number)?)
    };
    query.fetch_all(connection).await?.iter().map(due).collect()
}

pub(super) async fn refunds(
    connection: &mut MySqlConnection,
    until: Timestamp,
    size: u32,
) -> Result<Vec<DueRefund>, QueryError> {
    let query = sqlx::query(DUE_REFUNDS_SELECT).bind(until.as_millis()).bind(size.min(PAYMENT_PAGE_MAX));
    let due = |row: &MySqlRow| {
        let (order, number) = (row.try_get("order_id")?, row.try_get("number")?);
        Ok(payments::due_refund(row.try_get("at_ms")?, order, number, row.try_get("refund_number")?)?)
    };
    query.fetch_all(connection).await?.iter().map(due).collect()
}

pub(super) async fn claim_checks(
    connection: &mut MySqlConnection,
    until: Timestamp,
    next_at: Timestamp,
    size: u32,
) -> Result<Vec<PaymentAttempt>, QueryError> {
    let mut transaction = connection.begin().await?;
    let claim = sqlx::query(DUE_CHECKS_CLAIM).bind(until.as_millis()).bind(size.min(PAYMENT_PAGE_MAX));
    let mut keys = Vec::new();
    for row in claim.fetch_all(&mut *transaction).await? {
        let id = payments::attempt_id(row.try_get("order_id")?, row.try_get("number")?)?;
        keys.push(vec![id.order.get(), id.number.get().into()]);
    }
    let rows = read_tried(&mut transaction, &keys, next_at, (DUE_CHECKS_TRY, DUE_CHECKS_READ)).await?;
    transaction.commit().await?;
    rows.iter().map(rows::attempt).collect()
}

pub(super) async fn claim_refunds(
    connection: &mut MySqlConnection,
    until: Timestamp,
    next_at: Timestamp,
    size: u32,
) -> Result<Vec<Refund>, QueryError> {
    let mut transaction = connection.begin().await?;
    let claim = sqlx::query(DUE_REFUNDS_CLAIM).bind(until.as_millis()).bind(size.min(PAYMENT_PAGE_MAX));
    let mut keys = Vec::new();
    for row in claim.fetch_all(&mut *transaction).await? {
        let (order, number) = (row.try_get("order_id")?, row.try_get("number")?);
        let key = payments::refund_key(order, number, row.try_get("refund_number")?)?;
        let attempt = key.attempt;
        keys.push(vec![attempt.order.get(), attempt.number.get().into(), key.number.get().into()]);
    }
    let rows = read_tried(&mut transaction, &keys, next_at, (DUE_REFUNDS_TRY, DUE_REFUNDS_READ)).await?;
    transaction.commit().await?;
    rows.iter().map(rows::refund).collect()
}

/// Counts the tries of claimed work, makes it due at `next_at`, and reads it.
async fn read_tried(
    connection: &mut MySqlConnection,
    keys: &[Vec<u64>],
    next_at: Timestamp,
    (count, read): (&'static str, &'static str),
) -> Result<Vec<MySqlRow>, QueryError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let asked = Value::from(keys.to_vec()).to_string();
    let update = sqlx::query(count).bind(&asked).bind(next_at.as_millis());
    update.execute(&mut *connection).await?;
    let rows = sqlx::query(read).bind(&asked).fetch_all(connection).await?;
    if rows.len() == keys.len() { Ok(rows) } else { Err(InvalidColumn("number of rows that are due").into()) }
}

pub(super) async fn postpone_check(
    connection: &mut MySqlConnection,
    attempt: AttemptId,
    from_at: Timestamp,
    to_at: Timestamp,
) -> Result<bool, QueryError> {
    let update = sqlx::query(DUE_CHECK_POSTPONE)
        .bind(to_at.as_millis())
        .bind(attempt.order.get())
        .bind(attempt.number.get())
        .bind(from_at.as_millis());
    Ok(update.execute(connection).await?.rows_affected() == 1)
}

/// Moves a refund that is due at the first of `times` to the second, and stores `error`.
pub(super) async fn postpone_refund(
    connection: &mut MySqlConnection,
    refund: RefundKey,
    (from_at, to_at): (Timestamp, Timestamp),
    error: Option<&Cause>,
) -> Result<bool, QueryError> {
    let mut transaction = connection.begin().await?;
    let update = bind_key(sqlx::query(DUE_REFUND_POSTPONE).bind(to_at.as_millis()), refund);
    let is_moved = update.bind(from_at.as_millis()).execute(&mut *transaction).await?.rows_affected() == 1;
    if is_moved {
        let update = sqlx::query(REFUND_ERROR_UPDATE).bind(error.map(Cause::as_str));
        bind_key(update, refund).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(is_moved)
}
