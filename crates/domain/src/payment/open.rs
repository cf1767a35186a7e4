//! What a buyer needs to pay an order, and why an order cannot be paid.

use super::{AttemptId, AttemptState, Money, PaymentAttempt};
use crate::clock::Timestamp;

/// An open attempt, with what the buyer needs to pay it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The attempt.
    pub attempt: AttemptId,
    /// The amount to be paid.
    pub due: Money,
    /// The state of the attempt.
    pub state: AttemptState,
    /// The page of the provider on which the buyer pays.
    pub pay_url: String,
    /// When the order is cancelled unless it is paid; `None` if it has no payment deadline.
    pub pay_by: Option<Timestamp>,
}

impl Payment {
    /// The payment by `attempt`, on the page `pay_url`.
    pub const fn new(attempt: &PaymentAttempt, pay_url: String, pay_by: Option<Timestamp>) -> Self {
        let PaymentAttempt { id, due, state, .. } = *attempt;
        Self { attempt: id, due, state, pay_url, pay_by }
    }
}

named! {
    /// Why an order cannot be paid although it is confirmed. The name is the code of the error.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Unpayable {
        /// The deployment has no payment provider.
        Off = "payments_off",
        /// Its payment deadline has passed.
        Overdue = "payment_overdue",
        /// It costs nothing.
        Free = "nothing_to_pay",
        /// It has too many attempts.
        TooManyAttempts = "too_many_attempts",
    }
}
