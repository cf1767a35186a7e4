//! What transitions of orders have to do with payments.

use flashgate_domain::{OrderEvent, OrderId, Timestamp};
use flashgate_order_store::{
    payment_rules::{PaymentStep, is_refunded_by_provider},
    sql::texts::ORDER_DUE_CHECK_SELECT,
};
use sqlx::MySqlConnection;

use super::{due, rows, write};
use crate::fault::QueryError;

/// Whether a payment decides, and not this transition of an order that is locked.
pub(crate) async fn is_held(
    connection: &mut MySqlConnection,
    step: PaymentStep,
    order: OrderId,
) -> Result<bool, QueryError> {
    match step {
        PaymentStep::TimesOut => {
            let open = sqlx::query(ORDER_DUE_CHECK_SELECT).bind(order.get());
            Ok(open.fetch_optional(connection).await?.is_some())
        }
        PaymentStep::EndsRefund => Ok(is_refunded_by_provider(&rows::refunds(connection, order).await?)),
        PaymentStep::LeavesConfirmed | PaymentStep::OwesRefund | PaymentStep::Unrelated => Ok(false),
    }
}

/// Writes what the transition of an order that is locked leaves to do.
pub(crate) async fn follow(
    connection: &mut MySqlConnection,
    step: PaymentStep,
    event: &OrderEvent,
    now: Timestamp,
) -> Result<(), QueryError> {
    match step {
        PaymentStep::LeavesConfirmed => due::hasten(connection, event.order, now).await?,
        PaymentStep::OwesRefund => {
            let known = rows::locked(connection, event.order).await?;
            if let Some(refund) = known.and_then(|known| known.refund_of_payment(now)) {
                write::new_refund(connection, &refund, now).await?;
            }
        }
        PaymentStep::TimesOut | PaymentStep::EndsRefund | PaymentStep::Unrelated => {}
    }
    Ok(())
}
