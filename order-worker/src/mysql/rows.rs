//! Rows of batches and orders, read back into the words of the domain.

use flashgate_domain::{
    BatchId, BatchOutcome, BuyerId, CancelReason, Decision, IdempotencyKey, Intent, OrderId, OrderOutcome,
    OrderState, Quantity, SaleId, Timestamp, id::BATCH_INTENTS_MAX,
};
use sqlx::{MySqlConnection, MySqlPool, Row, mysql::MySqlRow};

use super::fault::Trouble;
use crate::store::StoredOrder;

const BATCH_ORDERS_SELECT: &str = include_str!("../../sql/batch_orders_select.sql");
const ORDER_SELECT: &str = include_str!("../../sql/order_select.sql");

fn corrupt<E>(what: &'static str) -> impl FnOnce(E) -> Trouble {
    move |_why| Trouble::Corrupt(what)
}

pub(super) fn sale_id(number: u64) -> Result<SaleId, Trouble> {
    SaleId::new(number).map_err(corrupt("sale id"))
}

pub(super) fn buyer_id(text: &str) -> Result<BuyerId, Trouble> {
    BuyerId::new(text).map_err(corrupt("buyer id"))
}

pub(super) fn key(text: &str) -> Result<IdempotencyKey, Trouble> {
    IdempotencyKey::new(text).map_err(corrupt("idempotency key"))
}

pub(super) fn batch_id(row: &MySqlRow) -> Result<BatchId, Trouble> {
    let bytes: &[u8] = row.try_get("batch_id")?;
    let bytes = bytes.try_into().map_err(corrupt("batch id"))?;
    BatchId::from_bytes(bytes).map_err(corrupt("batch id"))
}

fn order_id(row: &MySqlRow) -> Result<OrderId, Trouble> {
    OrderId::new(row.try_get("id")?).map_err(corrupt("order id"))
}

fn intent(row: &MySqlRow) -> Result<Intent, Trouble> {
    Ok(Intent::new(
        sale_id(row.try_get("sale_id")?)?,
        buyer_id(row.try_get("buyer_id")?)?,
        key(row.try_get("idempotency_key")?)?,
        Quantity::new(row.try_get("quantity")?).map_err(corrupt("quantity"))?,
    ))
}

fn state(row: &MySqlRow) -> Result<OrderState, Trouble> {
    let reason = match row.try_get::<Option<&str>, _>("cancel_reason")? {
        Some(reason) => Some(CancelReason::parse(reason).ok_or(Trouble::Corrupt("cancel reason"))?),
        None => None,
    };
    OrderState::from_parts(row.try_get("state")?, reason).ok_or(Trouble::Corrupt("order state"))
}

/// What was decided when the order came, whatever became of it later: only these two reasons are given then.
fn first_decision(state: OrderState) -> Decision {
    match state.reason() {
        Some(reason @ (CancelReason::OutOfStock | CancelReason::DuplicateKey)) => Decision::Cancelled(reason),
        Some(CancelReason::Timeout | CancelReason::ByBuyer | CancelReason::OutboundFailed) | None => {
            Decision::Confirmed
        }
    }
}

/// What was decided about a batch of `order_count` orders.
pub(super) async fn outcome(
    connection: &mut MySqlConnection,
    batch: BatchId,
    order_count: u32,
) -> Result<BatchOutcome, Trouble> {
    let last = batch.order(BATCH_INTENTS_MAX - 1).unwrap_or(batch.base());
    let query = sqlx::query(BATCH_ORDERS_SELECT).bind(batch.base().get()).bind(last.get());
    let rows = query.fetch_all(connection).await?;
    if u32::try_from(rows.len()) != Ok(order_count) {
        return Err(Trouble::Corrupt("number of orders in a batch"));
    }
    let order = |row: &MySqlRow| {
        Ok(OrderOutcome {
            order: order_id(row)?,
            intent: intent(row)?,
            decision: first_decision(state(row)?),
        })
    };
    let orders = rows.iter().map(order).collect::<Result<Vec<_>, Trouble>>()?;
    Ok(BatchOutcome { batch, orders })
}

/// One order as it is now.
pub(super) async fn order(pool: &MySqlPool, order: OrderId) -> Result<Option<StoredOrder>, Trouble> {
    let query = sqlx::query(ORDER_SELECT).bind(order.base().get()).bind(order.get());
    let Some(row) = query.fetch_optional(pool).await? else { return Ok(None) };
    Ok(Some(StoredOrder {
        id: order_id(&row)?,
        intent: intent(&row)?,
        state: state(&row)?,
        batch: batch_id(&row)?,
        created_at: Timestamp::from_millis(row.try_get("created_at_ms")?),
    }))
}
