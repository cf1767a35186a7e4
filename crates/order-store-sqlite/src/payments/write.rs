//! The statements that write attempts, refunds and callbacks.

use flashgate_domain::{AttemptState, CallbackId, OrderEvent, PaymentAttempt, Refund, RefundKey, Timestamp};
use flashgate_order_store::{
    decide::returned_units,
    payment_rules::{PaymentEffects, leaves_confirmed},
    sql::{
        columns::InvalidColumn,
        texts::{
            ATTEMPT_INSERT, ATTEMPT_UPDATE, DUE_CHECK_DELETE, DUE_CHECK_INSERT, DUE_REFUND_DELETE,
            DUE_REFUND_INSERT, REFUND_INSERT, REFUND_UPDATE,
        },
    },
};
use rusqlite::Connection;

use super::due::hasten;
use crate::{fault::QueryError, write};

const CALLBACK_INSERT: &str = include_str!("../../sql/callback_insert.sql");

/// Remembers a callback; `false` if it is remembered already.
pub(super) fn callback(
    connection: &Connection,
    callback: &CallbackId,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let mut insert = connection.prepare_cached(CALLBACK_INSERT)?;
    Ok(insert.execute((callback.as_str(), now.as_millis()))? == 1)
}

/// Stores a new attempt, whose first check is due at `check_at`.
pub(super) fn new_attempt(
    connection: &Connection,
    attempt: &PaymentAttempt,
    check_at: Timestamp,
) -> rusqlite::Result<()> {
    let (order, number) = (attempt.id.order.get(), attempt.id.number.get());
    connection.prepare_cached(DUE_CHECK_INSERT)?.execute((order, number, check_at.as_millis()))?;
    connection.prepare_cached(ATTEMPT_INSERT)?.execute((
        order,
        number,
        attempt.due.minor(),
        attempt.due.currency().as_str(),
        attempt.state.as_str(),
        attempt.opened_at.as_millis(),
        attempt.changed_at.as_millis(),
    ))?;
    Ok(())
}

/// Stores a new refund, due at `now`.
pub(super) fn new_refund(connection: &Connection, refund: &Refund, now: Timestamp) -> rusqlite::Result<()> {
    let (order, number, refund_number) = numbers(refund.key);
    let mut insert = connection.prepare_cached(DUE_REFUND_INSERT)?;
    insert.execute((order, number, refund_number, now.as_millis()))?;
    connection.prepare_cached(REFUND_INSERT)?.execute((
        order,
        number,
        refund_number,
        refund.money.minor(),
        refund.money.currency().as_str(),
        refund.cause.as_str(),
        refund.state.as_str(),
        refund.retry.as_ref().map(|retry| retry.operator.as_str()),
        refund.retry.as_ref().map(|retry| retry.cause.as_str()),
        refund.created_at.as_millis(),
        refund.changed_at.as_millis(),
    ))?;
    Ok(())
}

/// The columns that identify a refund.
pub(super) const fn numbers(refund: RefundKey) -> (u64, u32, u32) {
    (refund.attempt.order.get(), refund.attempt.number.get(), refund.number.get())
}

/// Writes what a report changes.
pub(super) fn effects(
    connection: &Connection,
    effects: &PaymentEffects,
    now: Timestamp,
) -> Result<(), QueryError> {
    if let Some(attempt) = &effects.attempt {
        moved_attempt(connection, attempt)?;
    }
    for refund in &effects.moved_refunds {
        moved_refund(connection, refund)?;
    }
    if let Some(refund) = &effects.new_refund {
        new_refund(connection, refund, now)?;
    }
    transitions(connection, &effects.events, now)
}

fn moved_attempt(connection: &Connection, attempt: &PaymentAttempt) -> Result<(), QueryError> {
    let (order, number) = (attempt.id.order.get(), attempt.id.number.get());
    if attempt.state != AttemptState::Open {
        connection.prepare_cached(DUE_CHECK_DELETE)?.execute((order, number))?;
    }
    let taken = attempt.taken.map(|money| (money.minor(), money.currency()));
    let updated = connection.prepare_cached(ATTEMPT_UPDATE)?.execute((
        attempt.state.as_str(),
        taken.map(|(minor, _currency)| minor),
        taken.as_ref().map(|(_minor, currency)| currency.as_str()),
        attempt.changed_at.as_millis(),
        order,
        number,
    ))?;
    if updated == 1 { Ok(()) } else { Err(InvalidColumn("number of an attempt").into()) }
}

fn moved_refund(connection: &Connection, refund: &Refund) -> Result<(), QueryError> {
    let (order, number, refund_number) = numbers(refund.key);
    if !refund.state.is_open() {
        connection.prepare_cached(DUE_REFUND_DELETE)?.execute((order, number, refund_number))?;
    }
    let values = (refund.state.as_str(), refund.changed_at.as_millis(), order, number, refund_number);
    let updated = connection.prepare_cached(REFUND_UPDATE)?.execute(values)?;
    if updated == 1 { Ok(()) } else { Err(InvalidColumn("number of a refund").into()) }
}

/// Moves the order of `events`, and returns its units.
fn transitions(connection: &Connection, events: &[OrderEvent], now: Timestamp) -> Result<(), QueryError> {
    for event in events {
        if !write::order_state(connection, event.order, event.from, event.to)? {
            return Err(InvalidColumn("state of an order").into());
        }
    }
    if let Some(event) = events.first().filter(|_event| leaves_confirmed(events)) {
        hasten(connection, event.order, now)?;
    }
    write::events(connection, events)?;
    write::return_stock(connection, &returned_units(events))
}
