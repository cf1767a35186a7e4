//! Transitions of orders, and their events.

use std::sync::LazyLock;

use async_trait::async_trait;
use flashgate_domain::{Order, OrderEvent, OrderId, OrderState, SaleId, Timestamp};
use flashgate_order_store::{
    Changed, EVENT_PAGE_MAX, LifecycleRepository, ORDER_EVENTS_MAX, OrderChange, StoreError,
    decide::returned_units,
    payment_rules::PaymentStep,
    sql::{
        columns::{EventColumns, InvalidColumn},
        statement::{Sized, padded},
        texts::{ORDER_EVENTS_SELECT, UNPUBLISHED_EVENTS_SELECT},
    },
};
use flashgate_supervision::failpoint;
use sqlx::{Connection, MySqlConnection, Row, mysql::MySqlRow};
use tracing::debug;

use crate::{
    MySqlStore, TIMEOUT_OF_A_SALE,
    fault::{Cause, QueryError},
    lend, lend_retried, payments, rows, sql, within, write,
};

const RETURNS_REPUBLISH: &str = include_str!("../sql/returns_republish.sql");
static UNPUBLISHED_EVENTS_DELETE: LazyLock<Sized> =
    LazyLock::new(|| Sized::new(include_str!("../sql/unpublished_events_delete.sql")));

#[async_trait]
impl LifecycleRepository for MySqlStore {
    async fn change_order(&self, change: &OrderChange, now: Timestamp) -> Result<Changed, StoreError> {
        change.check()?;
        Ok(lend_retried!(self, |connection| transition(connection, change, now)))
    }

    async fn order_events(&self, order: OrderId) -> Result<Vec<OrderEvent>, StoreError> {
        let query = sqlx::query(ORDER_EVENTS_SELECT)
            .bind(order.base().get())
            .bind(order.get())
            .bind(ORDER_EVENTS_MAX);
        Ok(lend!(self, self.call_timeout, |connection| async {
            query.fetch_all(connection).await?.iter().map(from_row).collect()
        })?)
    }

    async fn unpublished_events(&self, before: Timestamp, size: u32) -> Result<Vec<OrderEvent>, StoreError> {
        let query =
            sqlx::query(UNPUBLISHED_EVENTS_SELECT).bind(before.as_millis()).bind(size.min(EVENT_PAGE_MAX));
        Ok(lend!(self, self.call_timeout, |connection| async {
            query.fetch_all(connection).await?.iter().map(from_row).collect()
        })?)
    }

    async fn mark_published(&self, events: &[(OrderId, u32)]) -> Result<(), StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| async {
            for (size, events) in padded(events) {
                let mut query = sqlx::query(sql(UNPUBLISHED_EVENTS_DELETE.text(size)));
                for (order, version) in events {
                    query = query.bind(order.get()).bind(version);
                }
                query.execute(&mut *connection).await?;
            }
            Ok(())
        })?)
    }

    async fn republish_returns(&self, sale: SaleId) -> Result<u64, StoreError> {
        let insert = sqlx::query(RETURNS_REPUBLISH).bind(sale.get());
        Ok(lend!(self, TIMEOUT_OF_A_SALE, |connection| async {
            Ok(insert.execute(connection).await?.rows_affected())
        })?)
    }
}

impl MySqlStore {
    /// Waits before the next attempt of a transaction on orders that lost against others.
    ///
    /// # Errors
    /// The error has another cause, or this was the last attempt.
    pub(crate) async fn await_retry(&self, error: QueryError, retry: &mut u32) -> Result<(), StoreError> {
        match error.cause() {
            Some(Cause::Deadlock | Cause::LockWait) if *retry < self.contention_retries_max => {
                debug!(retry, %error, "transition failed; retrying");
                self.back_off(retry).await;
                Ok(())
            }
            // There is an event of a version that the order does not have: its row was edited.
            Some(Cause::Duplicate) => Err(InvalidColumn("version of an order").into()),
            Some(
                Cause::Deadlock | Cause::LockWait | Cause::ReadOnly | Cause::Values | Cause::Unavailable,
            )
            | None => Err(error.into()),
        }
    }
}

/// Moves an order, in one transaction. A conditional update is atomic alone; the read after it may see a later state,
/// never an earlier one.
///
/// The sale is updated last, as when orders are placed: the row of a hot sale is locked only from its UPDATE to the
/// commit, and no transaction that has it waits for an order.
async fn transition(
    connection: &mut MySqlConnection,
    change: &OrderChange,
    now: Timestamp,
) -> Result<Changed, QueryError> {
    let mut transaction = connection.begin().await?;
    let is_moved = write::order_state(&mut transaction, change.order, change.from, change.to, now).await?;
    let order = rows::order(&mut transaction, change.order).await?;
    let changed = Changed::of(is_moved, change, order, now).ok_or(InvalidColumn("batch of an order"))?;
    let Changed::Now(event) = &changed else {
        transaction.rollback().await?;
        return Ok(changed);
    };
    let step = PaymentStep::of(change);
    if payments::is_held(&mut transaction, step, change.order).await? {
        transaction.rollback().await?;
        return Ok(Changed::Held(present(connection, change.order).await?));
    }
    payments::follow(&mut transaction, step, event, now).await?;
    let events = std::slice::from_ref(event);
    write::events(&mut transaction, events).await?;
    write::return_stock(&mut transaction, &returned_units(events)).await?;
    if change.to == OrderState::Shipped
        && !write::ship_stock(&mut transaction, event.intent.sale(), event.intent.quantity().get().into())
            .await?
    {
        transaction.rollback().await?;
        return Ok(Changed::Short(present(connection, change.order).await?));
    }
    failpoint::hit("before_change_commit");
    transaction.commit().await?;
    failpoint::hit("after_change_commit");
    Ok(changed)
}

/// An order that was there a moment ago.
async fn present(connection: &mut MySqlConnection, order: OrderId) -> Result<Order, QueryError> {
    Ok(rows::order(connection, order).await?.ok_or(InvalidColumn("batch of an order"))?)
}

fn from_row(row: &MySqlRow) -> Result<OrderEvent, QueryError> {
    let columns = EventColumns {
        order: rows::order_columns(row)?,
        from_state: row.try_get("from_state")?,
        from_reason: row.try_get("from_reason")?,
        version: row.try_get("version")?,
        actor: row.try_get("actor")?,
        cause: row.try_get("cause")?,
        at_ms: row.try_get("at_ms")?,
    };
    Ok(columns.event(rows::batch_id(row)?)?)
}
