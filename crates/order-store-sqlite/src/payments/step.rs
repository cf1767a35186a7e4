//! What transitions of orders have to do with payments.

use flashgate_domain::{OrderEvent, OrderId, Timestamp};
use flashgate_order_store::payment_rules::{PaymentStep, is_refunded_by_provider};
use rusqlite::Connection;

use super::{due, rows, write};
use crate::fault::QueryError;

/// Whether a payment decides, and not this transition.
pub(crate) fn is_held(
    connection: &Connection,
    step: PaymentStep,
    order: OrderId,
) -> Result<bool, QueryError> {
    Ok(match step {
        PaymentStep::TimesOut => due::is_open(connection, order)?,
        PaymentStep::EndsRefund => is_refunded_by_provider(&rows::refunds(connection, order)?),
        PaymentStep::LeavesConfirmed | PaymentStep::OwesRefund | PaymentStep::Unrelated => false,
    })
}

/// Writes what the transition leaves to do.
pub(crate) fn follow(
    connection: &Connection,
    step: PaymentStep,
    event: &OrderEvent,
    now: Timestamp,
) -> Result<(), QueryError> {
    match step {
        PaymentStep::LeavesConfirmed => due::hasten(connection, event.order, now)?,
        PaymentStep::OwesRefund => {
            let known = rows::known(connection, event.order)?;
            if let Some(refund) = known.and_then(|known| known.refund_of_payment(now)) {
                write::new_refund(connection, &refund, now)?;
            }
        }
        PaymentStep::TimesOut | PaymentStep::EndsRefund | PaymentStep::Unrelated => {}
    }
    Ok(())
}
