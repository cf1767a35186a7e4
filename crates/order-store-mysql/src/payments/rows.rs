//! Rows of attempts and refunds, read back.

use flashgate_domain::{Intent, Money, Order, OrderId, PaymentAttempt, Refund};
use flashgate_order_store::{
    payment_rules::OrderPayments,
    sql::{
        columns::InvalidColumn,
        payments::{self, AttemptColumns, RefundColumns},
        texts::{ATTEMPTS_SELECT, REFUNDS_SELECT, SALE_PRICE_SELECT},
    },
};
use sqlx::{MySqlConnection, Row, mysql::MySqlRow};

use crate::{fault::QueryError, rows};

const ORDER_LOCK: &str = include_str!("../../sql/order_lock.sql");

/// The order, which is locked, with its attempts and refunds; `None` if there is no such order.
pub(super) async fn locked(
    connection: &mut MySqlConnection,
    order: OrderId,
) -> Result<Option<OrderPayments>, QueryError> {
    let lock = sqlx::query(ORDER_LOCK).bind(order.base().get()).bind(order.get());
    match lock.fetch_optional(&mut *connection).await? {
        Some(row) => of_locked(connection, rows::stored(&row)?).await.map(Some),
        None => Ok(None),
    }
}

/// An order that this transaction has locked, with its attempts and refunds. Sessions are READ COMMITTED: each
/// statement reads what was committed when it began, and nobody else changes those of a locked order.
pub(super) async fn of_locked(
    connection: &mut MySqlConnection,
    order: Order,
) -> Result<OrderPayments, QueryError> {
    let attempts = attempts(connection, order.id).await?;
    let refunds = refunds(connection, order.id).await?;
    Ok(OrderPayments { order, attempts, refunds })
}

pub(super) async fn attempts(
    connection: &mut MySqlConnection,
    order: OrderId,
) -> Result<Vec<PaymentAttempt>, QueryError> {
    let rows = sqlx::query(ATTEMPTS_SELECT).bind(order.get()).fetch_all(connection).await?;
    rows.iter().map(attempt).collect()
}

pub(super) async fn refunds(
    connection: &mut MySqlConnection,
    order: OrderId,
) -> Result<Vec<Refund>, QueryError> {
    let rows = sqlx::query(REFUNDS_SELECT).bind(order.get()).fetch_all(connection).await?;
    rows.iter().map(refund).collect()
}

/// What the units of `intent` cost; `None` if they are free.
pub(super) async fn price(
    connection: &mut MySqlConnection,
    intent: &Intent,
) -> Result<Option<Money>, QueryError> {
    let query = sqlx::query(SALE_PRICE_SELECT).bind(intent.sale().get());
    let row = query.fetch_optional(connection).await?.ok_or(InvalidColumn("sale of an order"))?;
    Ok(payments::price(row.try_get("price_minor")?, row.try_get("currency")?, intent.quantity())?)
}

pub(super) fn attempt(row: &MySqlRow) -> Result<PaymentAttempt, QueryError> {
    let columns = AttemptColumns {
        order_id: row.try_get("order_id")?,
        number: row.try_get("number")?,
        amount_minor: row.try_get("amount_minor")?,
        currency: row.try_get("currency")?,
        state: row.try_get("state")?,
        paid_minor: row.try_get("paid_minor")?,
        paid_currency: row.try_get("paid_currency")?,
        tries: row.try_get("tries")?,
        opened_at_ms: row.try_get("opened_at_ms")?,
        changed_at_ms: row.try_get("changed_at_ms")?,
    };
    Ok(columns.attempt()?)
}

pub(super) fn refund(row: &MySqlRow) -> Result<Refund, QueryError> {
    let columns = RefundColumns {
        order_id: row.try_get("order_id")?,
        number: row.try_get("number")?,
        refund_number: row.try_get("refund_number")?,
        amount_minor: row.try_get("amount_minor")?,
        currency: row.try_get("currency")?,
        cause: row.try_get("cause")?,
        state: row.try_get("state")?,
        tries: row.try_get("tries")?,
        last_error: row.try_get("last_error")?,
        retry_operator: row.try_get("retry_operator")?,
        retry_cause: row.try_get("retry_cause")?,
        created_at_ms: row.try_get("created_at_ms")?,
        changed_at_ms: row.try_get("changed_at_ms")?,
    };
    Ok(columns.refund()?)
}
