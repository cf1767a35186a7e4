//! Looks up the state of an order: in the ledger, then at the order worker if the ledger does not have the order.

use std::sync::Arc;

use flashgate_domain::{BuyerId, Order, OrderId, OrderState, Refusal, SaleId};
use flashgate_ledger::Observing;
use flashgate_service::error::ApiError;
use tracing::warn;

use crate::sales::registry::Registry;

/// An order and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// The order.
    pub id: OrderId,
    /// Its sale.
    pub sale: SaleId,
    /// The number of units.
    pub quantity: u32,
    /// The state.
    pub state: OrderState,
}

/// Looks up orders.
pub struct Orders {
    ledger: Arc<dyn Observing>,
    registry: Arc<dyn Registry>,
}

impl Orders {
    /// Reads `ledger` first, then `registry`.
    pub fn new(ledger: Arc<dyn Observing>, registry: Arc<dyn Registry>) -> Self {
        Self { ledger, registry }
    }

    /// The order, if it is the buyer's. [`ApiError::OrderNotFound`] also if the order is another buyer's, so that
    /// guessed ids reveal nothing.
    pub async fn find(&self, id: OrderId, buyer: &BuyerId) -> Result<OrderView, ApiError> {
        let ledger_away = match self.ledger.order(id).await {
            Ok(Some(order)) if order.buyer == buyer.digest() => {
                let (sale, quantity, state) = (order.sale, order.quantity, order.state);
                return Ok(OrderView { id, sale, quantity, state });
            }
            Ok(Some(_)) => return Err(ApiError::OrderNotFound),
            Ok(None) => false,
            Err(fault) => {
                warn!(code = fault.code(), error = %fault, "order look-up in the ledger failed");
                true
            }
        };
        match self.registry.find_order(id).await {
            Ok(Some(Order { intent, state, .. })) if intent.buyer() == buyer => {
                Ok(OrderView { id, sale: intent.sale(), quantity: intent.quantity().get(), state })
            }
            // While the ledger is down, a recently accepted order may be in neither.
            Ok(None) if ledger_away => Err(Refusal::LedgerUnavailable.into()),
            Ok(Some(_) | None) => Err(ApiError::OrderNotFound),
            Err(fault) => {
                warn!(code = fault.code(), error = %fault, "order look-up at the order worker failed");
                Err(ApiError::WorkerUnavailable)
            }
        }
    }
}
