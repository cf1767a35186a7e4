//! Payments: attempts to pay orders, what the provider reports about them, and the refunds that are due.

use async_trait::async_trait;
use flashgate_domain::{
    AttemptId, CallbackId, Money, Order, OrderEvent, OrderId, PaymentAttempt, Refund, RefundId, RefundKey,
    RefundRetry, RefundState, Timestamp, named,
};

use crate::StoreError;

/// Keeps the payment attempts and refunds of orders, and the work that they leave to do.
///
/// Money that the provider took is at every moment either the payment of an order, or has a refund: never both, never
/// neither. The rules are in [`payment_rules`](crate::payment_rules).
///
/// Every open attempt has a check that is due at some time, and every refund in progress is due at some time: a worker
/// claims them, asks the provider, and records the answer. A worker that stops leaves them to the next claim.
#[async_trait]
pub trait PaymentRepository: Send + Sync + 'static {
    /// Opens an attempt to pay an order that is confirmed and not overdue, or returns its open one. The amount is the
    /// price of its units. Its first check is due at `check_at`, at the latest at the payment deadline of the order.
    ///
    /// Idempotent: an order has at most one open attempt.
    async fn open_attempt(
        &self,
        order: OrderId,
        check_at: Timestamp,
        now: Timestamp,
    ) -> Result<Opened, StoreError>;

    /// The attempts of an order, by ascending number.
    async fn attempts(&self, order: OrderId) -> Result<Vec<PaymentAttempt>, StoreError>;

    /// The refunds of an order, by ascending attempt and number.
    async fn refunds(&self, order: OrderId) -> Result<Vec<Refund>, StoreError>;

    /// Records what the provider reports, in one transaction: the id of the callback, the state of the attempt or of
    /// the refund, new refunds, and the transitions of the order, each as by
    /// [`LifecycleRepository::change_order`](crate::LifecycleRepository::change_order) with the actor
    /// [`Payment`](flashgate_domain::Actor::Payment).
    ///
    /// - *Paid.* An open or closed attempt is paid. If the amount is the one due and the order is confirmed, even if it
    ///   is overdue, the order is paid. Otherwise what was taken is refunded.
    /// - *Closed.* An open attempt is closed.
    /// - *Reversed.* A paid attempt is reversed, and its refunds in progress are cancelled. The order that it paid is
    ///   refunded with the reason [`PaymentReversed`](flashgate_domain::CancelReason::PaymentReversed), unless it is
    ///   shipped. An attempt that was not known as paid has paid nothing.
    /// - *Refund.* The refund moves as far as [`RefundState::may_become`]. With the refund of a cancelled order, the
    ///   order is refunded, or is being refunded again.
    ///
    /// An overdue order whose last open attempt ends without paying it is cancelled in the same transaction, as by
    /// [`DeadlineRepository::expire`](crate::DeadlineRepository::expire).
    ///
    /// `callback` is `None` for an answer of the provider to a call. Idempotent with and without it.
    async fn record(
        &self,
        report: &PaymentReport,
        callback: Option<&CallbackId>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError>;

    /// The checks of open attempts that are due until `until`, included, earliest first; at most `size` and at most
    /// [`PAYMENT_PAGE_MAX`].
    async fn checks_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueCheck>, StoreError>;

    /// Claims checks that are due until `until`, included, earliest first; at most `size` and at most
    /// [`PAYMENT_PAGE_MAX`]. Each is due again at `next_at`, and its try is counted. Returns the attempts, with this
    /// try. Of two concurrent calls, one gets a check.
    async fn claim_checks(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<PaymentAttempt>, StoreError>;

    /// Makes the check of an open attempt due at `to_at`, if it is due at `from_at`; returns whether it was. A check
    /// that was made due earlier since it was claimed keeps its time.
    async fn postpone_check(
        &self,
        attempt: AttemptId,
        from_at: Timestamp,
        to_at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The refunds in progress that are due until `until`, as [`PaymentRepository::checks_due`].
    async fn refunds_due(&self, until: Timestamp, size: u32) -> Result<Vec<DueRefund>, StoreError>;

    /// Claims refunds in progress that are due, as [`PaymentRepository::claim_checks`].
    async fn claim_refunds(
        &self,
        until: Timestamp,
        next_at: Timestamp,
        size: u32,
    ) -> Result<Vec<Refund>, StoreError>;

    /// Makes a refund in progress due at `to_at`, if it is due at `from_at`, and stores why the call to the provider
    /// failed; `None` if it did not. Of the text, [`REFUND_ERROR_CHARS_MAX`] characters are kept, with blanks in place
    /// of control characters. Returns whether it was due at `from_at`.
    async fn postpone_refund(
        &self,
        refund: RefundKey,
        from_at: Timestamp,
        to_at: Timestamp,
        error: Option<&str>,
    ) -> Result<bool, StoreError>;

    /// Makes another refund for one that failed or was cancelled: the same attempt, amount and cause, the next number,
    /// due now. For operators: `by` is stored with it.
    async fn retry_refund(
        &self,
        refund: RefundKey,
        by: &RefundRetry,
        now: Timestamp,
    ) -> Result<Retried, StoreError>;

    /// Forgets callbacks that were recorded before `before`, at most `size` and at most [`CALLBACK_PAGE_MAX`]; returns
    /// their number. A callback that is delivered again after that is recorded again, which changes nothing.
    async fn forget_callbacks(&self, before: Timestamp, size: u32) -> Result<u64, StoreError>;
}

/// Maximum attempts of one order: a buyer who opens one after the other is stopped here.
pub const ATTEMPTS_MAX: u32 = 100;
/// Maximum checks or refunds per page, and per claim.
pub const PAYMENT_PAGE_MAX: u32 = 256;
/// Maximum callbacks that one call forgets.
pub const CALLBACK_PAGE_MAX: u32 = 10_000;
/// Maximum length that is kept of the error of a refund, in characters.
pub const REFUND_ERROR_CHARS_MAX: usize = flashgate_domain::lifecycle::CAUSE_CHARS_MAX;

/// The result of [`PaymentRepository::open_attempt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// This call opened it.
    Now(PaymentAttempt),
    /// It was open already. After an error, the call that failed may have opened it.
    Before(PaymentAttempt),
    /// The order is not confirmed, or is overdue; nothing changed.
    Elsewhere(Order),
    /// The order costs nothing; nothing changed.
    Free,
    /// The order has [`ATTEMPTS_MAX`] attempts, none of them open; nothing changed.
    TooMany,
    /// The store does not have the order.
    Missing,
}

/// What the provider reports about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentReport {
    /// The attempt.
    pub attempt: AttemptId,
    /// What happened.
    pub kind: ReportKind,
}

/// What happened to an attempt at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// The provider took money, not necessarily the amount due.
    Paid(Money),
    /// It can no longer be paid; no money was taken.
    Closed,
    /// The provider gave money back by itself.
    Reversed(Money),
    /// A refund of the attempt has this state.
    Refund {
        /// The refund.
        refund: RefundId,
        /// Its state at the provider.
        state: RefundState,
        /// Its amount at the provider.
        money: Money,
    },
}

/// The result of [`PaymentRepository::record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It changed something, or an operator must look at it.
    Done {
        /// The events of the order, unpublished, by ascending version.
        events: Vec<OrderEvent>,
        /// The refunds that were made or moved, as they are now.
        refunds: Vec<Refund>,
        /// What an operator must look at.
        finding: Option<PaymentFinding>,
    },
    /// It was known, or came too late to matter. The callback is remembered.
    Unchanged,
    /// The callback was recorded before; nothing changed.
    Repeated,
    /// The store does not have the attempt; nothing changed, and the callback is not remembered.
    UnknownAttempt,
    /// The attempt has no such refund; nothing changed, and the callback is not remembered.
    UnknownRefund,
}

named! {
    /// What no rule can put right: an operator must look at it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum PaymentFinding {
        /// The provider took another amount than the one due, or another currency. It is refunded, unless it is zero.
        WrongAmount = "wrong_amount",
        /// The provider reports another amount of a paid attempt than before. The first one counts.
        AmountChanged = "amount_changed",
        /// The provider gave the payment of an order back that is shipped. The order stays as it is.
        ReversedAfterShipping = "reversed_after_shipping",
        /// Money of an attempt was refunded, and the provider gave it back by itself as well.
        ReturnedTwice = "returned_twice",
        /// The provider gave another amount back by itself than it took.
        ReversedAmount = "reversed_amount",
        /// The provider reports another amount of a refund than the one to return.
        RefundAmount = "refund_amount",
    }
}

/// A check that is due. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DueCheck {
    /// When it is due.
    pub at: Timestamp,
    /// The open attempt.
    pub attempt: AttemptId,
}

/// A refund in progress that is due. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DueRefund {
    /// When it is due.
    pub at: Timestamp,
    /// The refund.
    pub refund: RefundKey,
}

/// The result of [`PaymentRepository::retry_refund`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// This call made this refund.
    Now(Refund),
    /// This refund of the same attempt and cause is in progress, or has succeeded; nothing changed. After an error, the
    /// call that failed may have made it.
    Covered(Refund),
    /// The money was returned another way: the provider reversed the attempt, or an operator recorded the order as
    /// refunded. Nothing changed.
    NotOwed,
    /// The store does not have the refund.
    Missing,
}
