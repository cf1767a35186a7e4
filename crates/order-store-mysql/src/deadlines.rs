//! Payment deadlines: finds them, and cancels the orders that were not paid in time.

use std::{collections::BTreeSet, sync::LazyLock};

use async_trait::async_trait;
use flashgate_domain::{CancelReason, OrderEvent, OrderId, Timestamp};
use flashgate_order_store::{
    DEADLINE_PAGE_MAX, DeadlineRepository, PaymentDeadline, StoreError,
    decide::returned_units,
    expiry::{due, event, put_off, transactions},
    sql::{
        columns::{self, InvalidColumn},
        statement::{Sized, padded},
        texts::PAYMENT_DEADLINES_SELECT,
    },
    triage::Decided,
};
use flashgate_supervision::failpoint;
use serde_json::Value;
use sqlx::{
    Connection, MySql, MySqlConnection, Row,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};

use crate::{
    MySqlStore, fault::QueryError, lend, lend_retried, payments, rows, slow_path::who_has, sql, within, write,
};

static PAYMENT_DEADLINES_CLAIM: LazyLock<Sized> =
    LazyLock::new(|| Sized::new(include_str!("../sql/payment_deadlines_claim.sql")));
static PAYMENT_DEADLINES_DELETE: LazyLock<Sized> =
    LazyLock::new(|| Sized::new(include_str!("../sql/payment_deadlines_delete.sql")));
const ORDERS_CONFIRMED_LOCK: &str = include_str!("../sql/orders_confirmed_lock.sql");
const PAYMENT_DEADLINE_PUT_OFF: &str = include_str!("../sql/payment_deadline_put_off.sql");
const ORDERS_CHANGE: &str = include_str!("../sql/orders_change.sql");

#[async_trait]
impl DeadlineRepository for MySqlStore {
    async fn deadlines(
        &self,
        after: Option<PaymentDeadline>,
        until: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentDeadline>, StoreError> {
        let (at_ms, first_order_id) = columns::deadline_before(after);
        let query = sqlx::query(PAYMENT_DEADLINES_SELECT)
            .bind(at_ms)
            .bind(until.as_millis())
            .bind(at_ms)
            .bind(first_order_id)
            .bind(size.min(DEADLINE_PAGE_MAX));
        Ok(lend!(self, self.call_timeout, |connection| async {
            query.fetch_all(connection).await?.iter().map(from_row).collect()
        })?)
    }

    async fn expire(
        &self,
        deadlines: &[PaymentDeadline],
        now: Timestamp,
    ) -> Result<Vec<OrderEvent>, StoreError> {
        let mut deadlines = due(deadlines, now);
        let first_orders: Vec<OrderId> = deadlines.iter().map(|deadline| deadline.first_order).collect();
        let batches = lend!(self, self.call_timeout, |connection| who_has(connection, &first_orders))?;
        // A deadline is committed with its batch: one without a batch is not stored, or was not when that was read.
        deadlines.retain(|deadline| batches.contains_key(&deadline.first_order));
        let orders = |first_order| batches.get(&first_order).map_or(0, |(_batch, orders)| *orders);
        let mut events = Vec::new();
        for deadlines in transactions(&deadlines, orders) {
            events.extend(lend_retried!(self, |connection| cancel(connection, deadlines, &batches, now)));
        }
        Ok(events)
    }
}

/// Cancels the overdue orders of `deadlines` and deletes these, in one transaction.
///
/// Deadlines are locked first, then orders, then checks that are due, then sales, each by ascending id: a transition of
/// one order locks the order and then its sale, and the row of a hot sale is locked only from its UPDATE to the commit. No
/// transaction that has orders or a sale waits for a deadline.
async fn cancel(
    connection: &mut MySqlConnection,
    deadlines: &[PaymentDeadline],
    batches: &Decided,
    now: Timestamp,
) -> Result<Vec<OrderEvent>, QueryError> {
    let mut transaction = connection.begin().await?;
    let claimed = claim(&mut transaction, deadlines).await?;
    if claimed.is_empty() {
        transaction.rollback().await?;
        return Ok(Vec::new());
    }
    let orders = orders_of(&claimed, batches);
    let query = sqlx::query(ORDERS_CONFIRMED_LOCK).bind(Value::from(orders).to_string());
    let mut events = Vec::new();
    for row in query.fetch_all(&mut *transaction).await? {
        events.extend(event(rows::stored(&row)?, now));
    }
    await_attempts(&mut transaction, &mut events, now).await?;
    change(&mut transaction, &events).await?;
    write::events(&mut transaction, &events).await?;
    for (size, deadlines) in padded(&claimed) {
        let delete = sqlx::query(sql(PAYMENT_DEADLINES_DELETE.text(size)));
        bind(delete, deadlines).execute(&mut *transaction).await?;
    }
    write::return_stock(&mut transaction, &returned_units(&events)).await?;
    failpoint::hit("before_expire_commit");
    transaction.commit().await?;
    failpoint::hit("after_expire_commit");
    Ok(events)
}

/// Takes the events of orders with an open attempt out of `events`: whether that is paid decides. Read by a statement of
/// its own, after the one that locked the orders: an attempt may have been opened while that one waited.
async fn await_attempts(
    connection: &mut MySqlConnection,
    events: &mut Vec<OrderEvent>,
    now: Timestamp,
) -> Result<(), QueryError> {
    if events.is_empty() {
        return Ok(());
    }
    let open = payments::open_among(connection, events.iter().map(|event| event.order)).await?;
    payments::hasten_all(connection, &open, now).await?;
    for deadline in put_off(events, &open, now) {
        let insert = sqlx::query(PAYMENT_DEADLINE_PUT_OFF);
        let insert = insert.bind(deadline.at.as_millis()).bind(deadline.first_order.get());
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Locks those of `deadlines` that are stored and that no other transaction has.
async fn claim(
    connection: &mut MySqlConnection,
    deadlines: &[PaymentDeadline],
) -> Result<Vec<PaymentDeadline>, QueryError> {
    let mut claimed = Vec::new();
    for (size, asked) in padded(deadlines) {
        let query = bind(sqlx::query(sql(PAYMENT_DEADLINES_CLAIM.text(size))), asked);
        for row in query.fetch_all(&mut *connection).await? {
            claimed.push(from_row(&row)?);
        }
    }
    Ok(claimed)
}

/// The ids of all orders of the batches that have `deadlines`, ascending.
fn orders_of(deadlines: &[PaymentDeadline], batches: &Decided) -> Vec<u64> {
    let first_orders: BTreeSet<OrderId> = deadlines.iter().map(|deadline| deadline.first_order).collect();
    let mut ids = Vec::new();
    for first_order in first_orders {
        let orders = batches.get(&first_order).map_or(0, |(_batch, orders)| *orders);
        ids.extend((first_order.get()..).take(usize::try_from(orders).unwrap_or(0)));
    }
    ids
}

/// Moves the orders of `events`, which all have the same states and time.
async fn change(connection: &mut MySqlConnection, events: &[OrderEvent]) -> Result<(), QueryError> {
    let Some(OrderEvent { to, at, .. }) = events.first() else { return Ok(()) };
    let ids: Value = events.iter().map(|event| event.order.get()).collect();
    let update = sqlx::query(ORDERS_CHANGE)
        .bind(ids.to_string())
        .bind(to.as_str())
        .bind(to.reason().map(CancelReason::as_str))
        .bind(at.as_millis());
    let changed = update.execute(connection).await?.rows_affected();
    if usize::try_from(changed) == Ok(events.len()) {
        Ok(())
    } else {
        Err(InvalidColumn("number of locked orders").into())
    }
}

type Prepared<'q> = Query<'q, MySql, MySqlArguments>;

fn bind<'q, 'd>(
    mut query: Prepared<'q>,
    deadlines: impl Iterator<Item = &'d PaymentDeadline>,
) -> Prepared<'q> {
    for deadline in deadlines {
        query = query.bind(deadline.at.as_millis()).bind(deadline.first_order.get());
    }
    query
}

fn from_row(row: &MySqlRow) -> Result<PaymentDeadline, QueryError> {
    Ok(columns::deadline(row.try_get("at_ms")?, row.try_get("first_order_id")?)?)
}
