//! Rows of attempts and refunds, read back.

use flashgate_domain::{Intent, Money, OrderId, PaymentAttempt, Refund};
use flashgate_order_store::{
    payment_rules::OrderPayments,
    sql::{
        columns::InvalidColumn,
        payments::{self, AttemptColumns, RefundColumns},
        texts::{ATTEMPTS_SELECT, REFUNDS_SELECT, SALE_PRICE_SELECT},
    },
};
use rusqlite::{Connection, Error, OptionalExtension, Row};

use crate::{fault::QueryError, rows};

/// The order with its attempts and refunds; `None` if there is no such order.
pub(super) fn known(connection: &Connection, order: OrderId) -> Result<Option<OrderPayments>, QueryError> {
    let Some(order) = rows::order(connection, order)? else { return Ok(None) };
    let (attempts, refunds) = (attempts(connection, order.id)?, refunds(connection, order.id)?);
    Ok(Some(OrderPayments { order, attempts, refunds }))
}

pub(super) fn attempts(connection: &Connection, order: OrderId) -> Result<Vec<PaymentAttempt>, QueryError> {
    let mut statement = connection.prepare_cached(ATTEMPTS_SELECT)?;
    statement.query_and_then([order.get()], attempt)?.collect()
}

pub(super) fn refunds(connection: &Connection, order: OrderId) -> Result<Vec<Refund>, QueryError> {
    let mut statement = connection.prepare_cached(REFUNDS_SELECT)?;
    statement.query_and_then([order.get()], refund)?.collect()
}

/// What the units of `intent` cost; `None` if they are free.
pub(super) fn price(connection: &Connection, intent: &Intent) -> Result<Option<Money>, QueryError> {
    let mut statement = connection.prepare_cached(SALE_PRICE_SELECT)?;
    let row = statement.query_row([intent.sale().get()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (price_minor, currency): (u64, String) = row.ok_or(InvalidColumn("sale of an order"))?;
    Ok(payments::price(price_minor, &currency, intent.quantity())?)
}

pub(super) fn attempt(row: &Row<'_>) -> Result<PaymentAttempt, QueryError> {
    let columns = AttemptColumns {
        order_id: row.get(0)?,
        number: row.get(1)?,
        amount_minor: row.get(2)?,
        currency: row.get_ref(3)?.as_str().map_err(Error::from)?,
        state: row.get_ref(4)?.as_str().map_err(Error::from)?,
        paid_minor: row.get(5)?,
        paid_currency: row.get_ref(6)?.as_str_or_null().map_err(Error::from)?,
        tries: row.get(7)?,
        opened_at_ms: row.get(8)?,
        changed_at_ms: row.get(9)?,
    };
    Ok(columns.attempt()?)
}

pub(super) fn refund(row: &Row<'_>) -> Result<Refund, QueryError> {
    let columns = RefundColumns {
        order_id: row.get(0)?,
        number: row.get(1)?,
        refund_number: row.get(2)?,
        amount_minor: row.get(3)?,
        currency: row.get_ref(4)?.as_str().map_err(Error::from)?,
        cause: row.get_ref(5)?.as_str().map_err(Error::from)?,
        state: row.get_ref(6)?.as_str().map_err(Error::from)?,
        tries: row.get(7)?,
        last_error: row.get_ref(8)?.as_str_or_null().map_err(Error::from)?,
        retry_operator: row.get_ref(11)?.as_str_or_null().map_err(Error::from)?,
        retry_cause: row.get_ref(12)?.as_str_or_null().map_err(Error::from)?,
        created_at_ms: row.get(9)?,
        changed_at_ms: row.get(10)?,
    };
    Ok(columns.refund()?)
}
