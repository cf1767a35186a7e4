//! Transitions of orders, and their events.

use async_trait::async_trait;
use flashgate_domain::{Order, OrderEvent, OrderId, OrderState, SaleId, Timestamp};
use flashgate_order_store::{
    Changed, EVENT_PAGE_MAX, LifecycleRepository, ORDER_EVENTS_MAX, OrderChange, StoreError,
    decide::returned_units,
    payment_rules::PaymentStep,
    sql::{
        columns::{EventColumns, InvalidColumn},
        texts::{ORDER_EVENTS_SELECT, UNPUBLISHED_EVENTS_SELECT},
    },
};
use flashgate_supervision::failpoint;
use rusqlite::{Connection, Row, TransactionBehavior};

use crate::{SqliteStore, fault::QueryError, payments, rows, write};

const UNPUBLISHED_EVENT_DELETE: &str = include_str!("../sql/unpublished_event_delete.sql");
const RETURNS_REPUBLISH: &str = include_str!("../sql/returns_republish.sql");

#[async_trait]
impl LifecycleRepository for SqliteStore {
    async fn change_order(&self, change: &OrderChange, now: Timestamp) -> Result<Changed, StoreError> {
        change.check()?;
        let change = change.clone();
        self.call(move |connection| transition(connection, &change, now)).await
    }

    async fn order_events(&self, order: OrderId) -> Result<Vec<OrderEvent>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(ORDER_EVENTS_SELECT)?;
            let values = (order.base().get(), order.get(), ORDER_EVENTS_MAX);
            statement.query_and_then(values, from_row)?.collect()
        })
        .await
    }

    async fn unpublished_events(&self, before: Timestamp, size: u32) -> Result<Vec<OrderEvent>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(UNPUBLISHED_EVENTS_SELECT)?;
            statement.query_and_then((before.as_millis(), size.min(EVENT_PAGE_MAX)), from_row)?.collect()
        })
        .await
    }

    async fn mark_published(&self, events: &[(OrderId, u32)]) -> Result<(), StoreError> {
        let events = events.to_vec();
        self.call(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut delete = transaction.prepare_cached(UNPUBLISHED_EVENT_DELETE)?;
            for (order, version) in events {
                delete.execute((order.get(), version))?;
            }
            drop(delete);
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn republish_returns(&self, sale: SaleId) -> Result<u64, StoreError> {
        self.call(move |connection| {
            let inserted = connection.prepare_cached(RETURNS_REPUBLISH)?.execute([sale.get()])?;
            Ok(u64::try_from(inserted).unwrap_or(u64::MAX))
        })
        .await
    }
}

/// Moves an order, in one transaction.
fn transition(
    connection: &mut Connection,
    change: &OrderChange,
    now: Timestamp,
) -> Result<Changed, QueryError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_moved = write::order_state(&transaction, change.order, change.from, change.to)?;
    let order = rows::order(&transaction, change.order)?;
    let changed = Changed::of(is_moved, change, order, now).ok_or(InvalidColumn("batch of an order"))?;
    let Changed::Now(event) = &changed else {
        transaction.rollback()?;
        return Ok(changed);
    };
    let step = PaymentStep::of(change);
    if payments::is_held(&transaction, step, change.order)? {
        transaction.rollback()?;
        return Ok(Changed::Held(present(connection, change.order)?));
    }
    payments::follow(&transaction, step, event, now)?;
    let events = std::slice::from_ref(event);
    write::events(&transaction, events)?;
    write::return_stock(&transaction, &returned_units(events))?;
    if change.to == OrderState::Shipped
        && !write::ship_stock(&transaction, event.intent.sale(), event.intent.quantity().get().into())?
    {
        transaction.rollback()?;
        return Ok(Changed::Short(present(connection, change.order)?));
    }
    failpoint::hit("before_change_commit");
    transaction.commit()?;
    failpoint::hit("after_change_commit");
    Ok(changed)
}

/// An order that was there a moment ago.
fn present(connection: &Connection, order: OrderId) -> Result<Order, QueryError> {
    Ok(rows::order(connection, order)?.ok_or(InvalidColumn("batch of an order"))?)
}

fn from_row(row: &Row<'_>) -> Result<OrderEvent, QueryError> {
    let columns = EventColumns {
        order: rows::order_columns(row)?,
        from_state: row.get_ref(8)?.as_str().map_err(rusqlite::Error::from)?,
        from_reason: row.get_ref(9)?.as_str_or_null().map_err(rusqlite::Error::from)?,
        version: row.get(10)?,
        actor: row.get_ref(11)?.as_str().map_err(rusqlite::Error::from)?,
        cause: row.get_ref(12)?.as_str().map_err(rusqlite::Error::from)?,
        at_ms: row.get(13)?,
    };
    Ok(columns.event(rows::batch_id(row)?)?)
}
