//! The statements that write attempts, refunds and callbacks.

use flashgate_domain::{
    AttemptState, CallbackId, Money, OrderEvent, PaymentAttempt, Refund, RefundKey, Timestamp,
};
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
use sqlx::{MySql, MySqlConnection, mysql::MySqlArguments, query::Query};

use super::due::hasten;
use crate::{fault::QueryError, write};

const CALLBACK_INSERT: &str = include_str!("../../sql/callback_insert.sql");

type Prepared<'q> = Query<'q, MySql, MySqlArguments>;

/// Remembers a callback; `false` if it is remembered already.
pub(super) async fn callback(
    connection: &mut MySqlConnection,
    callback: &CallbackId,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let insert = sqlx::query(CALLBACK_INSERT).bind(callback.as_str()).bind(now.as_millis());
    Ok(insert.execute(connection).await?.rows_affected() == 1)
}

/// Stores a new attempt, whose first check is due at `check_at`.
pub(super) async fn new_attempt(
    connection: &mut MySqlConnection,
    attempt: &PaymentAttempt,
    check_at: Timestamp,
) -> sqlx::Result<()> {
    let (order, number) = (attempt.id.order.get(), attempt.id.number.get());
    let due = sqlx::query(DUE_CHECK_INSERT).bind(order).bind(number).bind(check_at.as_millis());
    due.execute(&mut *connection).await?;
    let insert = sqlx::query(ATTEMPT_INSERT)
        .bind(order)
        .bind(number)
        .bind(attempt.due.minor())
        .bind(attempt.due.currency().to_string())
        .bind(attempt.state.as_str())
        .bind(attempt.opened_at.as_millis())
        .bind(attempt.changed_at.as_millis());
    insert.execute(connection).await?;
    Ok(())
}

/// Stores a new refund, due at `now`.
pub(super) async fn new_refund(
    connection: &mut MySqlConnection,
    refund: &Refund,
    now: Timestamp,
) -> sqlx::Result<()> {
    let due = bind_key(sqlx::query(DUE_REFUND_INSERT), refund.key).bind(now.as_millis());
    due.execute(&mut *connection).await?;
    let insert = bind_key(sqlx::query(REFUND_INSERT), refund.key)
        .bind(refund.money.minor())
        .bind(refund.money.currency().to_string())
        .bind(refund.cause.as_str())
        .bind(refund.state.as_str())
        .bind(refund.retry.as_ref().map(|retry| retry.operator.as_str()))
        .bind(refund.retry.as_ref().map(|retry| retry.cause.as_str()))
        .bind(refund.created_at.as_millis())
        .bind(refund.changed_at.as_millis());
    insert.execute(connection).await?;
    Ok(())
}

/// Binds the columns that identify a refund.
pub(super) fn bind_key(query: Prepared<'_>, refund: RefundKey) -> Prepared<'_> {
    query.bind(refund.attempt.order.get()).bind(refund.attempt.number.get()).bind(refund.number.get())
}

/// Writes what a report changes to an order that this transaction has locked.
pub(super) async fn effects(
    connection: &mut MySqlConnection,
    effects: &PaymentEffects,
    now: Timestamp,
) -> Result<(), QueryError> {
    end_work(connection, effects).await?;
    if let Some(attempt) = &effects.attempt {
        let taken = attempt.taken;
        let update = sqlx::query(ATTEMPT_UPDATE)
            .bind(attempt.state.as_str())
            .bind(taken.map(Money::minor))
            .bind(taken.map(|money| money.currency().to_string()))
            .bind(attempt.changed_at.as_millis())
            .bind(attempt.id.order.get())
            .bind(attempt.id.number.get());
        update_one(connection, update, "number of an attempt").await?;
    }
    for refund in &effects.moved_refunds {
        let update =
            sqlx::query(REFUND_UPDATE).bind(refund.state.as_str()).bind(refund.changed_at.as_millis());
        update_one(connection, bind_key(update, refund.key), "number of a refund").await?;
    }
    if let Some(refund) = &effects.new_refund {
        new_refund(connection, refund, now).await?;
    }
    transitions(connection, &effects.events, now).await
}

/// What is due of an attempt that is not open any more, and of refunds that are not in progress any more.
async fn end_work(connection: &mut MySqlConnection, effects: &PaymentEffects) -> sqlx::Result<()> {
    if let Some(attempt) = effects.attempt.filter(|attempt| attempt.state != AttemptState::Open) {
        let delete = sqlx::query(DUE_CHECK_DELETE).bind(attempt.id.order.get()).bind(attempt.id.number.get());
        delete.execute(&mut *connection).await?;
    }
    for refund in effects.moved_refunds.iter().filter(|refund| !refund.state.is_open()) {
        bind_key(sqlx::query(DUE_REFUND_DELETE), refund.key).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Moves the order of `events`, and returns its units.
async fn transitions(
    connection: &mut MySqlConnection,
    events: &[OrderEvent],
    now: Timestamp,
) -> Result<(), QueryError> {
    if let Some(event) = events.first().filter(|_event| leaves_confirmed(events)) {
        hasten(connection, event.order, now).await?;
    }
    for event in events {
        if !write::order_state(connection, event.order, event.from, event.to, event.at).await? {
            return Err(InvalidColumn("state of a locked order").into());
        }
    }
    write::events(connection, events).await?;
    write::return_stock(connection, &returned_units(events)).await
}

/// Executes an update that hits one row; `what` is invalid if it does not.
async fn update_one(
    connection: &mut MySqlConnection,
    update: Prepared<'_>,
    what: &'static str,
) -> Result<(), QueryError> {
    match update.execute(connection).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(InvalidColumn(what).into()),
    }
}
