//! Attempts and refunds, for buyers and operators. Decides; independent of any protocol.

use std::{sync::Arc, time::Duration};

use flashgate_domain::{
    BuyerId, Clock, OrderId, OrderState, OrderStep, Payment, PaymentAttempt, Refund, RefundKey, RefundRetry,
    Unpayable,
};
use flashgate_order_store::{Opened, OrderStore, Retried};
use flashgate_service::error::ApiError;
use metrics::counter;
use tracing::info;

use crate::{
    config::{PageUrl, PaymentConfig},
    lifecycle::Orders,
    operator::failure,
};

/// Opens attempts, lists them, and retries refunds.
pub struct Payments {
    store: Arc<dyn OrderStore>,
    orders: Arc<Orders>,
    clock: Arc<dyn Clock>,
    terms: Option<Terms>,
}

/// What an attempt is opened with.
pub(super) struct Terms {
    page_url: PageUrl,
    check_first: Duration,
}

impl Terms {
    pub(super) fn of(config: &PaymentConfig) -> Self {
        Self { page_url: config.page_url.clone(), check_first: config.check_first() }
    }
}

impl Payments {
    /// Without `terms` payments are off.
    pub(super) const fn new(
        store: Arc<dyn OrderStore>,
        orders: Arc<Orders>,
        clock: Arc<dyn Clock>,
        terms: Option<Terms>,
    ) -> Self {
        Self { store, orders, clock, terms }
    }

    /// Opens an attempt for the buyer's order, or returns its open one.
    ///
    /// # Errors
    /// [`ApiError::OrderNotFound`], also if the order is another buyer's; [`ApiError::OrderStateConflict`] if it is not
    /// confirmed; [`ApiError::Unpayable`]; a fault of the store.
    pub async fn open(&self, order: OrderId, buyer: &BuyerId) -> Result<Payment, ApiError> {
        let terms = self.terms()?;
        let found = self.orders.find(order).await?;
        if found.intent.buyer() != buyer {
            return Err(ApiError::OrderNotFound);
        }
        let now = self.clock.now();
        let check_at = now.saturating_add(terms.check_first);
        let attempt = match self.store.open_attempt(order, check_at, now).await.map_err(failure)? {
            Opened::Now(attempt) => {
                counter!("flashgate_worker_payment_attempts_total").increment(1);
                info!(attempt_id = %attempt.id, due = %attempt.due, "payment attempt opened");
                attempt
            }
            Opened::Before(attempt) => attempt,
            Opened::Elsewhere(order) if order.state == OrderState::Confirmed => {
                return Err(ApiError::Unpayable(Unpayable::Overdue));
            }
            Opened::Elsewhere(order) => {
                return Err(ApiError::OrderStateConflict { state: order.state, step: OrderStep::Pay });
            }
            Opened::Free => return Err(ApiError::Unpayable(Unpayable::Free)),
            Opened::TooMany => return Err(ApiError::Unpayable(Unpayable::TooManyAttempts)),
            Opened::Missing => return Err(ApiError::OrderNotFound),
        };
        Ok(Payment::new(&attempt, terms.page_url.of(attempt.id), found.pay_by))
    }

    /// The attempts and the refunds of an order, also if payments are off.
    ///
    /// # Errors
    /// [`ApiError::OrderNotFound`]; a fault of the store.
    pub async fn list(&self, order: OrderId) -> Result<(Vec<PaymentAttempt>, Vec<Refund>), ApiError> {
        let attempts = self.store.attempts(order).await.map_err(failure)?;
        if attempts.is_empty() {
            self.orders.find(order).await?;
            return Ok((attempts, Vec::new()));
        }
        let refunds = self.store.refunds(order).await.map_err(failure)?;
        Ok((attempts, refunds))
    }

    /// Makes another refund for one that failed or was cancelled. Returns the refund that covers the money: the new one,
    /// or one that is in progress or has succeeded.
    ///
    /// # Errors
    /// [`ApiError::RefundNotFound`]; [`ApiError::RefundNotOwed`] if the money was returned another way;
    /// [`Unpayable::Off`]; a fault of the store.
    pub async fn retry(&self, refund: RefundKey, by: &RefundRetry) -> Result<Refund, ApiError> {
        self.terms()?;
        match self.store.retry_refund(refund, by, self.clock.now()).await.map_err(failure)? {
            Retried::Now(made) => {
                let (operator, cause, of) = (by.operator.as_str(), by.cause.as_str(), refund.id());
                info!(refund_id = %made.key.id(), %of, operator, cause, "refund retried");
                counter!("flashgate_worker_refunds_total", "state" => made.state.as_str()).increment(1);
                Ok(made)
            }
            Retried::Covered(covering) => Ok(covering),
            Retried::NotOwed => Err(ApiError::RefundNotOwed),
            Retried::Missing => Err(ApiError::RefundNotFound),
        }
    }

    fn terms(&self) -> Result<&Terms, ApiError> {
        self.terms.as_ref().ok_or(ApiError::Unpayable(Unpayable::Off))
    }
}
