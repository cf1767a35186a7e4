//! Payment deadlines: finds them, and cancels the orders that were not paid in time.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use flashgate_domain::{BatchId, OrderEvent, OrderId, Timestamp};
use flashgate_order_store::{
    DEADLINE_PAGE_MAX, DeadlineRepository, PaymentDeadline, StoreError,
    decide::returned_units,
    expiry::{due, event, put_off, transactions},
    sql::{
        columns::{self, InvalidColumn},
        summing,
        texts::PAYMENT_DEADLINES_SELECT,
    },
    triage::Decided,
};
use flashgate_supervision::failpoint;
use rusqlite::{Connection, TransactionBehavior};

use crate::{SqliteStore, fault::QueryError, payments, rows, write};

const BATCH_CONFIRMED_SELECT: &str = include_str!("../sql/batch_confirmed_select.sql");
const PAYMENT_DEADLINE_DELETE: &str = include_str!("../sql/payment_deadline_delete.sql");
const PAYMENT_DEADLINE_PUT_OFF: &str = include_str!("../sql/payment_deadline_put_off.sql");

#[async_trait]
impl DeadlineRepository for SqliteStore {
    async fn deadlines(
        &self,
        after: Option<PaymentDeadline>,
        until: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentDeadline>, StoreError> {
        let (at_ms, first_order_id) = columns::deadline_before(after);
        // Times end at 2^63 - 1: beyond it there are none.
        let until_ms = until.as_millis().min(i64::MAX.unsigned_abs());
        let values = (at_ms, until_ms, at_ms, first_order_id, size.min(DEADLINE_PAGE_MAX));
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(PAYMENT_DEADLINES_SELECT)?;
            let from_row = |row: &rusqlite::Row<'_>| Ok(columns::deadline(row.get(0)?, row.get(1)?)?);
            statement.query_and_then(values, from_row)?.collect()
        })
        .await
    }

    /// Each transaction is a call of its own, so that chunks are placed between two of them.
    async fn expire(
        &self,
        deadlines: &[PaymentDeadline],
        now: Timestamp,
    ) -> Result<Vec<OrderEvent>, StoreError> {
        let mut deadlines = due(deadlines, now);
        let asked: BTreeSet<OrderId> = deadlines.iter().map(|deadline| deadline.first_order).collect();
        let batches = self.call(move |connection| batches_at(connection, &asked)).await?;
        deadlines.retain(|deadline| batches.contains_key(&deadline.first_order));
        let orders = |first_order| batches.get(&first_order).map_or(0, |(_batch, orders)| *orders);
        let mut events = Vec::new();
        for deadlines in transactions(&deadlines, orders) {
            let deadlines = deadlines.to_vec();
            events.extend(self.call(move |connection| cancel(connection, &deadlines, now)).await?);
        }
        Ok(events)
    }
}

fn batches_at(connection: &Connection, first_orders: &BTreeSet<OrderId>) -> Result<Decided, QueryError> {
    let mut batches = BTreeMap::new();
    for first_order in first_orders {
        if let Some(batch) = rows::batch_at(connection, *first_order)? {
            batches.insert(*first_order, batch);
        }
    }
    Ok(batches)
}

/// Cancels the overdue orders of `deadlines` and deletes these, in one transaction.
fn cancel(
    connection: &mut Connection,
    deadlines: &[PaymentDeadline],
    now: Timestamp,
) -> Result<Vec<OrderEvent>, QueryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut first_orders = BTreeSet::new();
    let mut delete = transaction.prepare_cached(PAYMENT_DEADLINE_DELETE)?;
    for deadline in deadlines {
        if delete.execute((deadline.at.as_millis(), deadline.first_order.get()))? == 1 {
            first_orders.insert(deadline.first_order);
        }
    }
    drop(delete);
    let (mut events, mut open) = (Vec::new(), BTreeSet::new());
    for first_order in first_orders {
        overdue(&transaction, first_order, now, &mut events)?;
        payments::open_among(&transaction, first_order, &mut open)?;
    }
    await_attempts(&transaction, &mut events, &open, now)?;
    for event in &events {
        if !write::order_state(&transaction, event.order, event.from, event.to)? {
            return Err(InvalidColumn("state of an order").into());
        }
    }
    write::events(&transaction, &events)?;
    write::return_stock(&transaction, &returned_units(&events))?;
    failpoint::hit("before_expire_commit");
    transaction.commit()?;
    failpoint::hit("after_expire_commit");
    Ok(events)
}

/// Takes the events of orders with an `open` attempt out of `events`: whether that is paid decides.
fn await_attempts(
    connection: &Connection,
    events: &mut Vec<OrderEvent>,
    open: &BTreeSet<OrderId>,
    now: Timestamp,
) -> Result<(), QueryError> {
    for order in events.iter().map(|event| event.order).filter(|order| open.contains(order)) {
        payments::hasten(connection, order, now)?;
    }
    for deadline in put_off(events, open, now) {
        let values = (deadline.at.as_millis(), deadline.first_order.get());
        connection.prepare_cached(PAYMENT_DEADLINE_PUT_OFF)?.execute(values)?;
    }
    Ok(())
}

/// Adds the events of the overdue orders of one batch.
fn overdue(
    connection: &Connection,
    first_order: OrderId,
    now: Timestamp,
    events: &mut Vec<OrderEvent>,
) -> Result<(), QueryError> {
    let mut statement = connection.prepare_cached(BATCH_CONFIRMED_SELECT)?;
    // The range is the same for every nonce.
    let mut rows = statement.query(<[u64; 2]>::from(summing::ids_of(BatchId::from_parts(first_order, 0))))?;
    while let Some(row) = rows.next()? {
        events.extend(event(rows::stored(row)?, now));
    }
    Ok(())
}
