//! Orders of a buyer: their state, their cancellation, and their payment.
//!
//! The order store owns an order once it has decided it. The ledger knows only what was decided, so it answers for an
//! order that may still be pending, or that was cancelled when it was placed, which is final. Every other look-up goes to
//! the order worker: so no gateway tells an older state than another one has told before.

use std::sync::Arc;

use flashgate_domain::{
    BuyerId, Order, OrderId, OrderPage, OrderState, OrderStep, Payment, Refusal, SaleId, Timestamp,
};
use flashgate_ledger::{LedgerOrder, Observing};
use flashgate_service::error::ApiError;
use futures::future::join_all;
use tracing::warn;

use crate::sales::registry::{Registry, RegistryError};

/// The version of an order that was just placed.
const PLACED: u32 = 1;

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
    /// Greater with every transition; 0 while pending.
    pub version: u32,
    /// When it is cancelled unless it is paid; `None` while it is pending or if it has no payment deadline.
    pub pay_by: Option<Timestamp>,
}

impl OrderView {
    fn in_ledger(id: OrderId, order: &LedgerOrder) -> Self {
        let LedgerOrder { sale, quantity, state, .. } = *order;
        let version = if state == OrderState::Pending { 0 } else { PLACED };
        Self { id, sale, quantity, state, version, pay_by: None }
    }

    fn stored(order: &Order) -> Self {
        let Order { id, intent, state, version, pay_by, .. } = order;
        let (sale, quantity) = (intent.sale(), intent.quantity().get());
        Self { id: *id, sale, quantity, state: *state, version: *version, pay_by: *pay_by }
    }
}

/// Looks up, cancels and pays orders.
pub struct Orders {
    ledger: Arc<dyn Observing>,
    registry: Arc<dyn Registry>,
}

/// What the ledger says about an order.
enum InLedger {
    /// It may still be pending, or its state is final.
    Answers(LedgerOrder),
    /// It was confirmed, or the ledger does not have it, or no longer: the order store knows.
    Defers,
    /// The ledger did not answer.
    Away,
}

impl Orders {
    /// Reads `ledger` first, then `registry`.
    pub fn new(ledger: Arc<dyn Observing>, registry: Arc<dyn Registry>) -> Self {
        Self { ledger, registry }
    }

    /// The order, if it is the buyer's. [`ApiError::OrderNotFound`] also if the order is another buyer's, so that
    /// guessed ids reveal nothing.
    pub async fn find(&self, id: OrderId, buyer: &BuyerId) -> Result<OrderView, ApiError> {
        let in_ledger = self.in_ledger(id, buyer).await?;
        if let InLedger::Answers(order) = &in_ledger {
            return Ok(OrderView::in_ledger(id, order));
        }
        let found = self.registry.find_order(id).await;
        if found.as_ref().is_ok_and(|order| order.as_ref().is_some_and(|order| order.intent.buyer() != buyer))
        {
            return Err(ApiError::OrderNotFound);
        }
        Ok(OrderView::stored(&Self::answer(found, &in_ledger)?))
    }

    /// The buyer's orders that the order store has, newest first, each as [`Orders::find`] tells it.
    ///
    /// # Errors
    /// [`ApiError::WorkerUnavailable`].
    pub async fn list(&self, buyer: &BuyerId, page: OrderPage) -> Result<Vec<OrderView>, ApiError> {
        let stored = self.registry.orders_of(buyer, page).await.map_err(unreachable)?;
        let views = stored.iter().map(|order| async move {
            // The ledger tells nothing of an order that has moved on.
            let in_ledger =
                if order.version > PLACED { None } else { self.in_ledger(order.id, buyer).await.ok() };
            match in_ledger {
                Some(InLedger::Answers(known)) => OrderView::in_ledger(order.id, &known),
                Some(InLedger::Defers | InLedger::Away) | None => OrderView::stored(order),
            }
        });
        Ok(join_all(views).await)
    }

    /// Cancels the buyer's order, and returns it. An order that is cancelled already stays as it is.
    ///
    /// # Errors
    /// Nothing was changed, except after [`ApiError::WorkerUnavailable`], when it is unknown; a repetition is safe.
    pub async fn cancel(&self, id: OrderId, buyer: &BuyerId) -> Result<OrderView, ApiError> {
        let in_ledger = self.settled(id, buyer).await?;
        let cancelled = self.registry.cancel_order(id, buyer).await;
        if cancelled == Err(RegistryError::StateConflict) {
            return Err(self.conflict(id, buyer, OrderStep::Cancel).await);
        }
        Ok(OrderView::stored(&Self::answer(cancelled, &in_ledger)?))
    }

    /// Opens a payment attempt for the buyer's order, or returns its open one.
    ///
    /// # Errors
    /// No attempt was opened, except after [`ApiError::WorkerUnavailable`], when it is unknown; a repetition is safe.
    pub async fn pay(&self, id: OrderId, buyer: &BuyerId) -> Result<Payment, ApiError> {
        let in_ledger = self.settled(id, buyer).await?;
        match self.registry.open_payment(id, buyer).await {
            Err(RegistryError::StateConflict) => Err(self.conflict(id, buyer, OrderStep::Pay).await),
            Err(RegistryError::Unpayable(why)) => Err(ApiError::Unpayable(why)),
            opened => Self::answer(opened, &in_ledger),
        }
    }

    /// The error of a step that the order cannot make in its state.
    async fn conflict(&self, id: OrderId, buyer: &BuyerId, step: OrderStep) -> ApiError {
        match self.find(id, buyer).await {
            Ok(OrderView { state, .. }) => ApiError::OrderStateConflict { state, step },
            Err(error) => error,
        }
    }

    /// What the ledger says, once it knows the decision: until then a look-up tells that the order is pending, also after
    /// a step that the order store would allow.
    async fn settled(&self, id: OrderId, buyer: &BuyerId) -> Result<InLedger, ApiError> {
        let in_ledger = self.in_ledger(id, buyer).await?;
        let is_pending = matches!(&in_ledger, InLedger::Answers(order) if order.state == OrderState::Pending);
        if is_pending { Err(ApiError::OrderPending) } else { Ok(in_ledger) }
    }

    async fn in_ledger(&self, id: OrderId, buyer: &BuyerId) -> Result<InLedger, ApiError> {
        match self.ledger.order(id).await {
            Ok(Some(order)) if order.buyer != buyer.digest() => Err(ApiError::OrderNotFound),
            Ok(Some(order)) if order.state == OrderState::Confirmed => Ok(InLedger::Defers),
            Ok(Some(order)) => Ok(InLedger::Answers(order)),
            Ok(None) => Ok(InLedger::Defers),
            Err(fault) => {
                warn!(code = fault.code(), error = %fault, "order look-up in the ledger failed");
                Ok(InLedger::Away)
            }
        }
    }

    fn answer<T>(stored: Result<Option<T>, RegistryError>, in_ledger: &InLedger) -> Result<T, ApiError> {
        match (stored, in_ledger) {
            (Ok(Some(stored)), _) => Ok(stored),
            // While the ledger is down, a recently accepted order may be in neither.
            (Ok(None), InLedger::Away) => Err(Refusal::LedgerUnavailable.into()),
            (Ok(None), _) => Err(ApiError::OrderNotFound),
            (Err(fault), _) => Err(unreachable(fault)),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreachable(fault: RegistryError) -> ApiError {
    warn!(code = fault.code(), error = %fault, "call of the order worker failed");
    ApiError::WorkerUnavailable
}
