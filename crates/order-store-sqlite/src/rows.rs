//! Rows of batches and orders, read back.
use flashgate_domain::{
    BatchId, BatchOutcome, BuyerId, Decision, Order, OrderId, OrderOutcome, OrderPage, OrderState, SaleId,
};
use flashgate_order_store::{
    decide::first_decision,
    sql::{
        columns::{self, OrderColumns, StoredColumns},
        summing,
        texts::BATCH_ORDERS_SELECT,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, Rows};

use crate::fault::QueryError;

const BATCH_SELECT: &str = include_str!("../sql/batch_select.sql");
const BUYER_ORDERS_SELECT: &str = include_str!("../sql/buyer_orders_select.sql");
const ORDER_SELECT: &str = include_str!("../sql/order_select.sql");
const PURCHASE_SELECT: &str = include_str!("../sql/purchase_select.sql");
const SALEABLE_SELECT: &str = include_str!("../sql/saleable_select.sql");

/// The columns that a statement on orders begins with.
pub(crate) fn order_columns<'r>(row: &'r Row<'_>) -> rusqlite::Result<OrderColumns<'r>> {
    Ok(OrderColumns {
        id: row.get(0)?,
        sale_id: row.get(1)?,
        buyer_id: row.get_ref(2)?.as_str()?,
        idempotency_key: row.get_ref(3)?.as_str()?,
        quantity: row.get(4)?,
        state: row.get_ref(5)?.as_str()?,
        cancel_reason: row.get_ref(6)?.as_str_or_null()?,
    })
}

/// The column after those of an order.
pub(crate) fn batch_id(row: &Row<'_>) -> Result<BatchId, QueryError> {
    Ok(columns::batch_id(row.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?)?)
}

/// The batch that has the order ids from `base` on, and the number of its orders.
pub(crate) fn batch_at(connection: &Connection, base: OrderId) -> Result<Option<(BatchId, u32)>, QueryError> {
    let mut statement = connection.prepare_cached(BATCH_SELECT)?;
    let mut rows = statement.query([base.get()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let batch = columns::batch_id(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
    Ok(Some((batch, row.get(1)?)))
}

/// The outcome of a batch of `order_count` orders.
pub(crate) fn outcome(
    connection: &Connection,
    batch: BatchId,
    order_count: u32,
) -> Result<BatchOutcome, QueryError> {
    let (first, last) = summing::ids_of(batch);
    let orders = outcomes_between(connection, first, last, first_decision)?;
    Ok(summing::outcome(batch, orders, order_count)?)
}

/// The outcomes of the orders with these ids, ascending, with the decisions that `decide` finds in their states.
pub(crate) fn outcomes_between(
    connection: &Connection,
    first: u64,
    last: u64,
    decide: fn(OrderState) -> Decision,
) -> Result<Vec<OrderOutcome>, QueryError> {
    let mut statement = connection.prepare_cached(BATCH_ORDERS_SELECT)?;
    let mut rows: Rows<'_> = statement.query([first, last])?;
    let mut orders = Vec::new();
    while let Some(row) = rows.next()? {
        orders.push(order_columns(row)?.outcome(decide)?);
    }
    Ok(orders)
}

/// One order as it is now.
pub(crate) fn order(connection: &Connection, order: OrderId) -> Result<Option<Order>, QueryError> {
    let mut statement = connection.prepare_cached(ORDER_SELECT)?;
    let mut rows = statement.query([order.base().get(), order.get()])?;
    rows.next()?.map(stored).transpose()
}

/// Orders of one buyer as they are now, by descending id.
pub(crate) fn orders_of(
    connection: &Connection,
    buyer: &BuyerId,
    page: OrderPage,
) -> Result<Vec<Order>, QueryError> {
    let mut statement = connection.prepare_cached(BUYER_ORDERS_SELECT)?;
    let values = (buyer.as_str(), page.id_max(), page.size.min(OrderPage::SIZE_MAX));
    statement.query_and_then(values, stored)?.collect()
}

/// An order with its batch and the terms of its sale.
pub(crate) fn stored(row: &Row<'_>) -> Result<Order, QueryError> {
    let columns = StoredColumns {
        order: order_columns(row)?,
        version: row.get(8)?,
        created_at_ms: row.get(9)?,
        price_minor: row.get(10)?,
        pay_within_ms: row.get(11)?,
    };
    Ok(columns.stored(batch_id(row)?)?)
}

/// Whether the purchase with that digest has an order.
pub(crate) fn is_known(connection: &Connection, sale: SaleId, digest: [u8; 16]) -> rusqlite::Result<bool> {
    connection.prepare_cached(PURCHASE_SELECT)?.exists((sale.get(), digest))
}

/// The units left of the sale; `None` if it does not exist.
pub(crate) fn saleable(connection: &Connection, sale: SaleId) -> rusqlite::Result<Option<u64>> {
    connection.prepare_cached(SALEABLE_SELECT)?.query_row([sale.get()], |row| row.get(0)).optional()
}
