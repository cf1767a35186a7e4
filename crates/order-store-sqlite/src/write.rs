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
use rusqlite::{
    Connection, Error, Result, params,
    types::{ToSqlOutput, Value, ValueRef},
};

use crate::fault::QueryError;

const ORDER_CHANGE: &str = include_str!("../sql/order_change.sql");
const PAYMENT_DEADLINE_INSERT: &str = include_str!("../sql/payment_deadline_insert.sql");

static BATCHES_INSERT: LazyLock<Sized> =
    LazyLock::new(|| Sized::new(include_str!("../sql/batches_insert.sql")));
static PURCHASES_INSERT: LazyLock<Sized> =
    LazyLock::new(|| Sized::new(include_str!("../sql/purchases_insert.sql")));
static ORDERS_INSERT: LazyLock<Sized> =
    LazyLock::new(|| Sized::new(include_str!("../sql/orders_insert.sql")));
static EVENTS_INSERT: LazyLock<Sized> = LazyLock::new(|| Sized::new(ORDER_EVENTS_INSERT));
static UNPUBLISHED_INSERT: LazyLock<Sized> = LazyLock::new(|| Sized::new(UNPUBLISHED_EVENTS_INSERT));

/// Stores the batches as decided, with their orders, the keys that these take and their payment deadlines.
pub(crate) fn decided(connection: &Connection, outcomes: &[BatchOutcome], now: Timestamp) -> Result<()> {
    let created = now.as_millis();
    insert(connection, &BATCHES_INSERT, outcomes, |row| {
        let count = u64::try_from(row.orders.len()).unwrap_or(u64::MAX);
        let batch = row.batch.to_bytes().to_vec().into();
        Ok([number(row.batch.base().get())?, ToSqlOutput::Owned(batch), number(count)?, number(created)?])
    })?;
    let orders: Vec<&OrderOutcome> = outcomes.iter().flat_map(|batch| &batch.orders).collect();
    purchases(connection, &orders)?;
    insert(connection, &ORDERS_INSERT, &orders, |row| {
        let (state, intent) = (row.decision.state(), &row.intent);
        Ok([
            number(row.order.get())?,
            number(intent.sale().get())?,
            text(intent.buyer().as_str()),
            text(intent.key().as_str()),
            number(intent.quantity().get().into())?,
            text(state.as_str()),
            reason(state),
        ])
    })?;
    let mut insert = connection.prepare_cached(PAYMENT_DEADLINE_INSERT)?;
    for (first_order, sale) in confirmed_sales(outcomes) {
        insert.execute((created, first_order.get(), sale.get()))?;
    }
    Ok(())
}

/// Moves an order from the state `from`; `false` if it is in another.
pub(crate) fn order_state(
    connection: &Connection,
    order: OrderId,
    from: OrderState,
    to: OrderState,
) -> Result<bool> {
    let values = params![to.as_str(), reason(to), order.get(), from.as_str(), reason(from)];
    Ok(connection.prepare_cached(ORDER_CHANGE)?.execute(values)? == 1)
}

/// Stores the events of transitions, unpublished.
pub(crate) fn events(connection: &Connection, events: &[OrderEvent]) -> Result<()> {
    insert(connection, &EVENTS_INSERT, events, |event| {
        Ok([
            number(event.order.get())?,
            number(event.version.into())?,
            text(event.from.as_str()),
            reason(event.from),
            text(event.to.as_str()),
            reason(event.to),
            ToSqlOutput::Owned(event.actor.to_string().into()),
            text(event.cause.as_str()),
            number(event.at.as_millis())?,
        ])
    })?;
    insert(connection, &UNPUBLISHED_INSERT, events, |event| {
        Ok([number(event.at.as_millis())?, number(event.order.get())?, number(event.version.into())?])
    })
}

/// Returns units to their sales.
pub(crate) fn return_stock(
    connection: &Connection,
    units: &BTreeMap<SaleId, u64>,
) -> std::result::Result<(), QueryError> {
    let mut update = connection.prepare_cached(RETURN_STOCK)?;
    for (sale, units) in units {
        if update.execute((units, units, units, sale.get()))? != 1 {
            return Err(InvalidColumn("sale of an order").into());
        }
    }
    Ok(())
}

/// Stores the keys of the orders, except of those that were cancelled since another order has the key. By ascending
/// digest: neighbours share a page.
fn purchases(connection: &Connection, orders: &[&OrderOutcome]) -> Result<()> {
    let holds_key =
        |order: &&&OrderOutcome| order.decision != Decision::Cancelled(CancelReason::DuplicateKey);
    let mut rows: Vec<(u64, [u8; 16])> = orders
        .iter()
        .filter(holds_key)
        .map(|order| (order.intent.sale().get(), order.intent.key_digest().0))
        .collect();
    rows.sort_unstable();
    insert(connection, &PURCHASES_INSERT, &rows, |(sale, digest)| {
        Ok([number(*sale)?, ToSqlOutput::Borrowed(ValueRef::Blob(digest))])
    })
}

/// Takes `units` of the sale; `false`, with nothing taken, if fewer are left or the sale does not exist.
pub(crate) fn take_stock(connection: &Connection, sale: SaleId, units: u64) -> Result<bool> {
    let mut statement = connection.prepare_cached(TAKE_STOCK)?;
    Ok(statement.execute((units, units, sale.get(), units))? == 1)
}

/// Takes the units of an order that is shipped, unless they were taken when it was placed; `false`, with nothing taken, if
/// fewer are left.
pub(crate) fn ship_stock(
    connection: &Connection,
    sale: SaleId,
    units: u64,
) -> std::result::Result<bool, QueryError> {
    let mut select = connection.prepare_cached(SALE_POLICY_SELECT)?;
    let policy: String = select.query_row([sale.get()], |row| row.get(0))?;
    match DeductPolicy::parse(&policy).ok_or(InvalidColumn("deduct policy"))? {
        DeductPolicy::AtOrder => Ok(true),
        DeductPolicy::AtPayment => {
            let mut update = connection.prepare_cached(SHIP_STOCK)?;
            Ok(update.execute((units, units, sale.get(), units))? == 1)
        }
    }
}

/// Writes `rows` in statements of many rows each.
fn insert<R, const COLUMNS: usize>(
    connection: &Connection,
    template: &Sized,
    rows: &[R],
    values: impl for<'r> Fn(&'r R) -> Result<[ToSqlOutput<'r>; COLUMNS]>,
) -> Result<()> {
    for rows in exact(rows) {
        let mut statement = connection.prepare_cached(template.text(rows.len()))?;
        let mut place = 0;
        for row in rows {
            for value in values(row)? {
                place += 1;
                statement.raw_bind_parameter(place, value)?;
            }
        }
        statement.raw_execute()?;
    }
    Ok(())
}

/// Ids, times and counts: below 2^63, else they are refused.
fn number(number: u64) -> Result<ToSqlOutput<'static>> {
    let number = i64::try_from(number).map_err(|range| Error::ToSqlConversionFailure(range.into()))?;
    Ok(ToSqlOutput::Owned(Value::Integer(number)))
}

fn reason(state: OrderState) -> ToSqlOutput<'static> {
    state.reason().map_or(ToSqlOutput::Borrowed(ValueRef::Null), |reason| text(reason.as_str()))
}

fn text(text: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
}
