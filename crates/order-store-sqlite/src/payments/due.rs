//! The work that is due: checks of open attempts, and refunds in progress.

use std::collections::BTreeSet;

use flashgate_domain::{AttemptId, BatchId, Cause, OrderId, PaymentAttempt, Refund, RefundKey, Timestamp};
use flashgate_order_store::{
    DueCheck, DueRefund, PAYMENT_PAGE_MAX,
    sql::{
        columns::{self, InvalidColumn},
        payments, summing,
        texts::{
            DUE_CHECK_POSTPONE, DUE_CHECKS_HASTEN, DUE_CHECKS_SELECT, DUE_REFUND_POSTPONE,
            DUE_REFUNDS_SELECT, ORDER_DUE_CHECK_SELECT, REFUND_ERROR_UPDATE,
        },
    },
};
use rusqlite::{Connection, TransactionBehavior};

use super::{rows, write::numbers};
use crate::fault::QueryError;

const ATTEMPT_TRY: &str = include_str!("../../sql/attempt_try.sql");
const REFUND_TRY: &str = include_str!("../../sql/refund_try.sql");
const BATCH_DUE_CHECKS_SELECT: &str = include_str!("../../sql/batch_due_checks_select.sql");

/// Adds the orders of a batch with an open attempt to `open`.
pub(crate) fn open_among(
    connection: &Connection,
    first_order: OrderId,
    open: &mut BTreeSet<OrderId>,
) -> Result<(), QueryError> {
    let mut statement = connection.prepare_cached(BATCH_DUE_CHECKS_SELECT)?;
    // The range is the same for every nonce.
    let range = summing::ids_of(BatchId::from_parts(first_order, 0));
    let mut rows = statement.query(<[u64; 2]>::from(range))?;
    while let Some(row) = rows.next()? {
        open.insert(columns::order_id(row.get(0)?)?);
    }
    Ok(())
}

/// Whether the order has an open attempt.
pub(super) fn is_open(connection: &Connection, order: OrderId) -> rusqlite::Result<bool> {
    connection.prepare_cached(ORDER_DUE_CHECK_SELECT)?.exists([order.get()])
}

/// Makes the check of an order's open attempt due now.
pub(crate) fn hasten(connection: &Connection, order: OrderId, now: Timestamp) -> rusqlite::Result<()> {
    let now = now.as_millis();
    connection.prepare_cached(DUE_CHECKS_HASTEN)?.execute((now, order.get(), now))?;
    Ok(())
}

pub(super) fn checks(
    connection: &Connection,
    until: Timestamp,
    size: u32,
) -> Result<Vec<DueCheck>, QueryError> {
    let mut statement = connection.prepare_cached(DUE_CHECKS_SELECT)?;
    let rows = statement.query_and_then((bound(until), size.min(PAYMENT_PAGE_MAX)), |row| {
        Ok(payments::due_check(row.get(0)?, row.get(1)?, row.get(2)?)?)
    })?;
    rows.collect()
}

pub(super) fn refunds(
    connection: &Connection,
    until: Timestamp,
    size: u32,
) -> Result<Vec<DueRefund>, QueryError> {
    let mut statement = connection.prepare_cached(DUE_REFUNDS_SELECT)?;
    let rows = statement.query_and_then((bound(until), size.min(PAYMENT_PAGE_MAX)), |row| {
        Ok(payments::due_refund(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)?)
    })?;
    rows.collect()
}

/// Times end at 2^63 - 1: beyond it there are none.
fn bound(until: Timestamp) -> u64 {
    until.as_millis().min(i64::MAX.unsigned_abs())
}

pub(super) fn claim_checks(
    connection: &mut Connection,
    until: Timestamp,
    next_at: Timestamp,
    size: u32,
) -> Result<Vec<PaymentAttempt>, QueryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut claimed = Vec::new();
    for DueCheck { at, attempt } in checks(&transaction, until, size)? {
        postpone_check(&transaction, attempt, at, next_at)?;
        let mut statement = transaction.prepare_cached(ATTEMPT_TRY)?;
        let mut rows = statement.query((attempt.order.get(), attempt.number.get()))?;
        let row = rows.next()?.ok_or(InvalidColumn("attempt of a check"))?;
        claimed.push(rows::attempt(row)?);
    }
    transaction.commit()?;
    Ok(claimed)
}

pub(super) fn claim_refunds(
    connection: &mut Connection,
    until: Timestamp,
    next_at: Timestamp,
    size: u32,
) -> Result<Vec<Refund>, QueryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut claimed = Vec::new();
    for DueRefund { at, refund } in refunds(&transaction, until, size)? {
        move_refund(&transaction, refund, (at, next_at))?;
        let mut statement = transaction.prepare_cached(REFUND_TRY)?;
        let mut rows = statement.query(numbers(refund))?;
        let row = rows.next()?.ok_or(InvalidColumn("refund that is due"))?;
        claimed.push(rows::refund(row)?);
    }
    transaction.commit()?;
    Ok(claimed)
}

pub(super) fn postpone_check(
    connection: &Connection,
    attempt: AttemptId,
    from_at: Timestamp,
    to_at: Timestamp,
) -> Result<bool, QueryError> {
    let mut update = connection.prepare_cached(DUE_CHECK_POSTPONE)?;
    let (order, number) = (attempt.order.get(), attempt.number.get());
    Ok(update.execute((to_at.as_millis(), order, number, from_at.as_millis()))? == 1)
}

/// Moves a refund that is due at the first of `times` to the second, and stores `error`.
pub(super) fn postpone_refund(
    connection: &mut Connection,
    refund: RefundKey,
    times: (Timestamp, Timestamp),
    error: Option<&Cause>,
) -> Result<bool, QueryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_moved = move_refund(&transaction, refund, times)?;
    if is_moved {
        let (order, number, refund_number) = numbers(refund);
        let values = (error.map(Cause::as_str), order, number, refund_number);
        transaction.prepare_cached(REFUND_ERROR_UPDATE)?.execute(values)?;
    }
    transaction.commit()?;
    Ok(is_moved)
}

fn move_refund(
    connection: &Connection,
    refund: RefundKey,
    (from_at, to_at): (Timestamp, Timestamp),
) -> rusqlite::Result<bool> {
    let (order, number, refund_number) = numbers(refund);
    let values = (to_at.as_millis(), order, number, refund_number, from_at.as_millis());
    Ok(connection.prepare_cached(DUE_REFUND_POSTPONE)?.execute(values)? == 1)
}
