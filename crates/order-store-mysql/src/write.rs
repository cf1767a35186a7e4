//! The statements that write batches, orders, events and stock.

use std::{collections::BTreeMap, sync::LazyLock};

use flashgate_domain::{
    BatchOutcome, CancelReason, Decision, DeductPolicy, OrderEvent, OrderId, OrderOutcome, OrderState,
    SaleId, Timestamp,
};
use flashgate_order_store::{
    decide::confirmed_sales,
    sql::{
        columns::InvalidColumn,
        statement::{Sized, exact},
        texts::{
            ORDER_EVENTS_INSERT, RETURN_STOCK, SALE_POLICY_SELECT, SHIP_STOCK, TAKE_STOCK,
            UNPUBLISHED_EVENTS_INSERT,
        },
    },
};
use serde_json::Value;
use sqlx::MySqlConnection;

use crate::{fault::QueryError, sql};

const ORDER_CHANGE: &str = include_str!("../sql/order_change.sql");
const PAYMENT_DEADLINES_INSERT: &str = include_str!("../sql/payment_deadlines_insert.sql");
const TAKE_STOCKS: &str = include_str!("../sql/take_stocks.sql");
static BATCHES_INSERT: LazyLock<Sized> =
    LazyLock::new(|| Sized::new(include_str!("../sql/batches_insert.sql")));
static ORDERS_INSERT: LazyLock<Sized> =
    LazyLock::new(|| Sized::new(include_str!("../sql/orders_insert.sql")));
static EVENTS_INSERT: LazyLock<Sized> = LazyLock::new(|| Sized::new(ORDER_EVENTS_INSERT));
static UNPUBLISHED_INSERT: LazyLock<Sized> = LazyLock::new(|| Sized::new(UNPUBLISHED_EVENTS_INSERT));

/// Stores the batches as decided.
pub(crate) async fn batches(
    connection: &mut MySqlConnection,
    outcomes: &[BatchOutcome],
    now: Timestamp,
) -> sqlx::Result<()> {
    for rows in exact(outcomes) {
        let mut query = sqlx::query(sql(BATCHES_INSERT.text(rows.len())));
        for row in rows {
            let count = u32::try_from(row.orders.len()).unwrap_or(u32::MAX);
            query = query
                .bind(row.batch.base().get())
                .bind(row.batch.to_bytes().to_vec())
                .bind(count)
                .bind(now.as_millis());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Moves an order, if it is in the state `from`; returns whether it was.
pub(crate) async fn order_state(
    connection: &mut MySqlConnection,
    order: OrderId,
    from: OrderState,
    to: OrderState,
    at: Timestamp,
) -> sqlx::Result<bool> {
    let update = sqlx::query(ORDER_CHANGE)
        .bind(to.as_str())
        .bind(to.reason().map(CancelReason::as_str))
        .bind(at.as_millis())
        .bind(order.get())
        .bind(from.as_str())
        .bind(from.reason().map(CancelReason::as_str));
    Ok(update.execute(connection).await?.rows_affected() == 1)
}

/// Stores the orders of the batches.
pub(crate) async fn orders(
    connection: &mut MySqlConnection,
    outcomes: &[BatchOutcome],
    now: Timestamp,
) -> sqlx::Result<()> {
    let orders: Vec<&OrderOutcome> = outcomes.iter().flat_map(|batch| &batch.orders).collect();
    for rows in exact(&orders) {
        let mut query = sqlx::query(sql(ORDERS_INSERT.text(rows.len())));
        for row in rows {
            let state = row.decision.state();
            let holds_key = (row.decision != Decision::Cancelled(CancelReason::DuplicateKey)).then_some(1_u8);
            query = query
                .bind(row.order.get())
                .bind(row.intent.sale().get())
                .bind(row.intent.buyer().as_str())
                .bind(row.intent.key().as_str())
                .bind(holds_key)
                .bind(row.intent.quantity().get())
                .bind(state.as_str())
                .bind(state.reason().map(CancelReason::as_str))
                .bind(now.as_millis())
                .bind(now.as_millis());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Stores the payment deadlines of the confirmed orders.
pub(crate) async fn deadlines(
    connection: &mut MySqlConnection,
    outcomes: &[BatchOutcome],
    now: Timestamp,
) -> sqlx::Result<()> {
    let placed = confirmed_sales(outcomes);
    if placed.is_empty() {
        return Ok(());
    }
    let pairs: Value = placed.iter().map(|(first_order, sale)| vec![first_order.get(), sale.get()]).collect();
    let insert = sqlx::query(PAYMENT_DEADLINES_INSERT).bind(now.as_millis()).bind(pairs.to_string());
    insert.execute(connection).await?;
    Ok(())
}

/// Stores the events of transitions, unpublished.
pub(crate) async fn events(connection: &mut MySqlConnection, events: &[OrderEvent]) -> sqlx::Result<()> {
    for rows in exact(events) {
        let mut query = sqlx::query(sql(EVENTS_INSERT.text(rows.len())));
        for row in rows {
            query = query
                .bind(row.order.get())
                .bind(row.version)
                .bind(row.from.as_str())
                .bind(row.from.reason().map(CancelReason::as_str))
                .bind(row.to.as_str())
                .bind(row.to.reason().map(CancelReason::as_str))
                .bind(row.actor.to_string())
                .bind(row.cause.as_str())
                .bind(row.at.as_millis());
        }
        query.execute(&mut *connection).await?;
        let mut query = sqlx::query(sql(UNPUBLISHED_INSERT.text(rows.len())));
        for row in rows {
            query = query.bind(row.at.as_millis()).bind(row.order.get()).bind(row.version);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Returns units to their sales, by ascending id.
pub(crate) async fn return_stock(
    connection: &mut MySqlConnection,
    units: &BTreeMap<SaleId, u64>,
) -> Result<(), QueryError> {
    for (sale, units) in units {
        let update = sqlx::query(RETURN_STOCK).bind(units).bind(units).bind(units).bind(sale.get());
        if update.execute(&mut *connection).await?.rows_affected() != 1 {
            return Err(InvalidColumn("sale of an order").into());
        }
    }
    Ok(())
}

/// Takes the units of an order that is shipped, unless they were taken when it was placed; `false`, with nothing taken, if
/// fewer are left.
pub(crate) async fn ship_stock(
    connection: &mut MySqlConnection,
    sale: SaleId,
    units: u64,
) -> Result<bool, QueryError> {
    let policy: String =
        sqlx::query_scalar(SALE_POLICY_SELECT).bind(sale.get()).fetch_one(&mut *connection).await?;
    match DeductPolicy::parse(&policy).ok_or(InvalidColumn("deduct policy"))? {
        DeductPolicy::AtOrder => Ok(true),
        DeductPolicy::AtPayment => {
            let update = sqlx::query(SHIP_STOCK).bind(units).bind(units).bind(sale.get()).bind(units);
            Ok(update.execute(connection).await?.rows_affected() == 1)
        }
    }
}

/// Takes the units of each sale; `false` if a sale has fewer left or does not exist. The units of the others are then
/// taken until the transaction is rolled back.
pub(crate) async fn take_stock(
    connection: &mut MySqlConnection,
    units: &BTreeMap<SaleId, u64>,
) -> Result<bool, QueryError> {
    let query = match (units.first_key_value(), units.len()) {
        (None, _) => return Ok(true),
        (Some((sale, units)), 1) => {
            sqlx::query(TAKE_STOCK).bind(units).bind(units).bind(sale.get()).bind(units)
        }
        // One statement per sale would cost a chunk of many sales a round trip each.
        (Some(_first), _) => {
            let pairs: Value = units.iter().map(|(sale, units)| vec![sale.get(), *units]).collect();
            sqlx::query(TAKE_STOCKS).bind(pairs.to_string())
        }
    };
    let taken = query.execute(connection).await?.rows_affected();
    Ok(usize::try_from(taken) == Ok(units.len()))
}
