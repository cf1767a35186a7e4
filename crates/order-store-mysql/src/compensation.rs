//! Corrections of edited sales and orders. Each is one conditional update of one row.

use flashgate_domain::{CancelReason, SaleId, Timestamp, audit::StoreStep};
use flashgate_order_store::{
    Compensated, Correction,
    sql::texts::{SALE_ADJUSTED_SELECT, SALE_COMPENSATE},
};
use sqlx::{MySqlConnection, Row};

use crate::fault::QueryError;

const ORDER_CORRECT: &str = include_str!("../sql/order_correct.sql");

/// See [`RepairRepository::compensate`](flashgate_order_store::RepairRepository::compensate).
pub(crate) async fn of_sale(
    connection: &mut MySqlConnection,
    sale: SaleId,
    step: &StoreStep,
    now: Timestamp,
) -> Result<Option<Compensated>, QueryError> {
    let (add, take) = step.added_and_taken();
    let update = sqlx::query(SALE_COMPENSATE)
        .bind(add)
        .bind(take)
        .bind(now.as_millis())
        .bind(sale.get())
        .bind(step.adjustments)
        .bind(add)
        .bind(take);
    let is_done = update.execute(&mut *connection).await?.rows_affected() == 1;
    let row = sqlx::query(SALE_ADJUSTED_SELECT).bind(sale.get()).fetch_optional(&mut *connection).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Compensated::of(is_done, step, row.try_get("saleable")?, row.try_get("adjustments")?)))
}

/// See [`RepairRepository::correct_order`](flashgate_order_store::RepairRepository::correct_order).
pub(crate) async fn of_order(
    connection: &mut MySqlConnection,
    correction: &Correction,
    now: Timestamp,
) -> Result<bool, QueryError> {
    let Correction { order, sale, seen, settled } = correction;
    let update = sqlx::query(ORDER_CORRECT)
        .bind(settled.quantity)
        .bind(settled.state.as_str())
        .bind(settled.state.reason().map_or("", CancelReason::as_str))
        .bind(now.as_millis())
        .bind(order.get())
        .bind(sale.get())
        .bind(seen.quantity)
        .bind(seen.state.as_str())
        .bind(seen.state.reason().map_or("", CancelReason::as_str));
    Ok(update.execute(&mut *connection).await?.rows_affected() == 1)
}
