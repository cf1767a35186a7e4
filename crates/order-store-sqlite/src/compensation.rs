//! Corrections of edited sales and orders. Each is one conditional update of one row.

use flashgate_domain::{CancelReason, SaleId, Timestamp, audit::StoreStep};
use flashgate_order_store::{
    Compensated, Correction,
    sql::texts::{SALE_ADJUSTED_SELECT, SALE_COMPENSATE},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::fault::QueryError;

const ORDER_CORRECT: &str = include_str!("../sql/order_correct.sql");

/// See [`RepairRepository::compensate`](flashgate_order_store::RepairRepository::compensate).
pub(crate) fn of_sale(
    connection: &Connection,
    sale: SaleId,
    step: &StoreStep,
    now: Timestamp,
) -> Result<Option<Compensated>, QueryError> {
    let (add, take) = step.added_and_taken();
    let values = params![add, take, now.as_millis(), sale.get(), step.adjustments, add, take];
    let is_done = connection.prepare_cached(SALE_COMPENSATE)?.execute(values)? == 1;
    let mut statement = connection.prepare_cached(SALE_ADJUSTED_SELECT)?;
    let row = statement.query_row([sale.get()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(row.map(|(saleable, adjustments)| Compensated::of(is_done, step, saleable, adjustments)))
}

/// See [`RepairRepository::correct_order`](flashgate_order_store::RepairRepository::correct_order).
pub(crate) fn of_order(connection: &Connection, correction: &Correction) -> Result<bool, QueryError> {
    let Correction { order, sale, seen, settled } = correction;
    let values = params![
        settled.quantity,
        settled.state.as_str(),
        settled.state.reason().map_or("", CancelReason::as_str),
        order.get(),
        sale.get(),
        seen.quantity,
        seen.state.as_str(),
        seen.state.reason().map_or("", CancelReason::as_str),
    ];
    Ok(connection.prepare_cached(ORDER_CORRECT)?.execute(values)? == 1)
}
