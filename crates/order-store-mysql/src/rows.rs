//! Rows of batches and orders, read back.
use flashgate_domain::{
    BatchId, BatchOutcome, BuyerId, Decision, Order, OrderId, OrderOutcome, OrderPage, OrderState,
};
use flashgate_order_store::{
    decide::first_decision,
    sql::{
        columns::{self, OrderColumns, StoredColumns},
        summing,
        texts::BATCH_ORDERS_SELECT,
    },
};
use sqlx::{MySqlConnection, Row, mysql::MySqlRow};

use crate::fault::QueryError;

const BUYER_ORDERS_SELECT: &str = include_str!("../sql/buyer_orders_select.sql");
const ORDER_SELECT: &str = include_str!("../sql/order_select.sql");

pub(crate) fn batch_id(row: &MySqlRow) -> Result<BatchId, QueryError> {
    Ok(columns::batch_id(row.try_get("batch_id")?)?)
}

pub(crate) fn order_columns(row: &MySqlRow) -> sqlx::Result<OrderColumns<'_>> {
    Ok(OrderColumns {
        id: row.try_get("id")?,
        sale_id: row.try_get("sale_id")?,
        buyer_id: row.try_get("buyer_id")?,
        idempotency_key: row.try_get("idempotency_key")?,
        quantity: row.try_get("quantity")?,
        state: row.try_get("state")?,
        cancel_reason: row.try_get("cancel_reason")?,
    })
}

/// The outcome of a batch of `order_count` orders.
pub(crate) async fn outcome(
    connection: &mut MySqlConnection,
    batch: BatchId,
    order_count: u32,
) -> Result<BatchOutcome, QueryError> {
    let (first, last) = summing::ids_of(batch);
    let orders = outcomes_between(connection, first, last, first_decision).await?;
    Ok(summing::outcome(batch, orders, order_count)?)
}

/// The outcomes of the orders with these ids, ascending, with the decisions that `decide` finds in their states.
pub(crate) async fn outcomes_between(
    connection: &mut MySqlConnection,
    first: u64,
    last: u64,
    decide: fn(OrderState) -> Decision,
) -> Result<Vec<OrderOutcome>, QueryError> {
    let rows = sqlx::query(BATCH_ORDERS_SELECT).bind(first).bind(last).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(order_columns(row)?.outcome(decide)?)).collect()
}

/// One order in its present state.
pub(crate) async fn order(
    connection: &mut MySqlConnection,
    order: OrderId,
) -> Result<Option<Order>, QueryError> {
    let query = sqlx::query(ORDER_SELECT).bind(order.base().get()).bind(order.get());
    query.fetch_optional(connection).await?.as_ref().map(stored).transpose()
}

/// Orders of one buyer in their present state, by descending id.
pub(crate) async fn orders_of(
    connection: &mut MySqlConnection,
    buyer: &BuyerId,
    page: OrderPage,
) -> Result<Vec<Order>, QueryError> {
    let size = page.size.min(OrderPage::SIZE_MAX);
    let query = sqlx::query(BUYER_ORDERS_SELECT).bind(buyer.as_str()).bind(page.id_max()).bind(size);
    query.fetch_all(connection).await?.iter().map(stored).collect()
}

/// An order with its batch and the terms of its sale.
pub(crate) fn stored(row: &MySqlRow) -> Result<Order, QueryError> {
    let columns = StoredColumns {
        order: order_columns(row)?,
        version: row.try_get("version")?,
        created_at_ms: row.try_get("created_at_ms")?,
        price_minor: row.try_get("price_minor")?,
        pay_within_ms: row.try_get("pay_within_ms")?,
    };
    Ok(columns.stored(batch_id(row)?)?)
}
