//! Payment deadlines: orders that were not paid in time are cancelled.

use async_trait::async_trait;
use flashgate_domain::{OrderEvent, OrderId, Timestamp};

use crate::StoreError;

/// Finds and cancels the orders that were not paid in time.
///
/// An order is due [`SaleDraft::pay_within`](flashgate_domain::SaleDraft::pay_within) after it was placed. The orders
/// of a batch are placed at the same time, so a batch has one deadline for each of these times among the sales of its
/// confirmed orders. It is stored with the orders, and deleted when they are no longer due.
#[async_trait]
pub trait DeadlineRepository: Send + Sync + 'static {
    /// The deadlines until `until`, included, in ascending order, which are greater than `after`; at most `size` and at
    /// most [`DEADLINE_PAGE_MAX`].
    async fn deadlines(
        &self,
        after: Option<PaymentDeadline>,
        until: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentDeadline>, StoreError>;

    /// Cancels the confirmed orders of these batches that are due by `now`, deletes those of the deadlines that are, and
    /// returns the events of the orders that this call has cancelled. At most [`DEADLINE_PAGE_MAX`] deadlines. Each
    /// order is changed as by [`LifecycleRepository::change_order`](crate::LifecycleRepository::change_order), with the
    /// reason [`Timeout`](flashgate_domain::CancelReason::Timeout) and the actor
    /// [`Deadline`](flashgate_domain::Actor::Deadline).
    ///
    /// An order with an open payment attempt is skipped: whether that is paid decides. Its attempt is due for a check
    /// now, and its batch gets another deadline, [`OPEN_ATTEMPT_GRACE`](crate::expiry::OPEN_ATTEMPT_GRACE) later.
    ///
    /// A deadline that is later than `now`, that is not stored, or that another call holds at this moment is skipped.
    ///
    /// Each deadline is one transaction, together with the next ones as long as their batches have at most
    /// [`TRANSACTION_ORDERS_MAX`](crate::expiry::TRANSACTION_ORDERS_MAX) orders. After an error, some of the deadlines may
    /// be done: their events are among the unpublished ones.
    async fn expire(
        &self,
        deadlines: &[PaymentDeadline],
        now: Timestamp,
    ) -> Result<Vec<OrderEvent>, StoreError>;
}

/// Maximum deadlines per page, and per call that cancels.
pub const DEADLINE_PAGE_MAX: u32 = 256;

/// A payment deadline of orders of one batch. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentDeadline {
    /// When the orders are due.
    pub at: Timestamp,
    /// The first order of the batch: [`BatchId::base`](flashgate_domain::BatchId::base).
    pub first_order: OrderId,
}
