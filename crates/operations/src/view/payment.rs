//! The payment attempts and the refunds of an order, as operators see them.

use flashgate_domain::{Cause, Money, PaymentAttempt, Refund};
use serde::Serialize;
use utoipa::ToSchema;

/// A payment attempt.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttemptView {
    /// An order id, a hyphen, and a number from 1.
    #[schema(pattern = "^[1-9][0-9]{0,18}-[1-9][0-9]{0,9}$")]
    pub attempt_id: String,
    /// The amount to be paid, in the currency's minor unit.
    #[schema(minimum = 0)]
    pub amount_minor: u64,
    /// ISO 4217 code.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// `open`, `closed`, `paid` or `reversed`.
    #[schema(pattern = "^(open|closed|paid|reversed)$")]
    pub state: &'static str,
    /// What the provider took. Missing if it took nothing, or has not reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub taken_minor: Option<u64>,
    /// The currency of what the provider took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[A-Z]{3}$")]
    pub taken_currency: Option<String>,
    /// How often a worker began a check of the state at the provider.
    pub tries: u32,
    /// When it was opened, in milliseconds since 1970-01-01T00:00:00Z.
    pub opened_at_ms: u64,
    /// When its state changed last, in milliseconds since 1970-01-01T00:00:00Z.
    pub changed_at_ms: u64,
}

impl From<&PaymentAttempt> for AttemptView {
    fn from(attempt: &PaymentAttempt) -> Self {
        let PaymentAttempt { id, due, state, taken, tries, opened_at, changed_at } = attempt;
        Self {
            attempt_id: id.to_string(),
            amount_minor: due.minor(),
            currency: due.currency().to_string(),
            state: state.as_str(),
            taken_minor: taken.map(Money::minor),
            taken_currency: taken.map(|taken| taken.currency().to_string()),
            tries: *tries,
            opened_at_ms: opened_at.as_millis(),
            changed_at_ms: changed_at.as_millis(),
        }
    }
}

/// A refund.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefundView {
    /// The attempt id, `-r`, and a number from 1: the idempotency key at the provider.
    #[schema(pattern = "^[1-9][0-9]{0,18}-[1-9][0-9]{0,9}-r[1-9][0-9]{0,9}$")]
    pub refund_id: String,
    /// The attempt whose money is returned.
    #[schema(pattern = "^[1-9][0-9]{0,18}-[1-9][0-9]{0,9}$")]
    pub attempt_id: String,
    /// The amount to return, in the currency's minor unit.
    #[schema(minimum = 0)]
    pub amount_minor: u64,
    /// ISO 4217 code.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// `order_cancelled`, `wrong_amount`, `late_payment` or `second_payment`.
    #[schema(pattern = "^(order_cancelled|wrong_amount|late_payment|second_payment)$")]
    pub cause: &'static str,
    /// `pending`, `requires_action`, `succeeded`, `failed` or `cancelled`, as the provider reports it.
    #[schema(pattern = "^(pending|requires_action|succeeded|failed|cancelled)$")]
    pub state: &'static str,
    /// How often a worker asked the provider for it.
    pub tries: u32,
    /// Why the last call to the provider failed. Missing if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_error: Option<String>,
    /// The operator who made it for one that had failed. Missing if a rule made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_operator: Option<String>,
    /// Why the operator did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_cause: Option<String>,
    /// When it was made, in milliseconds since 1970-01-01T00:00:00Z.
    pub created_at_ms: u64,
    /// When its state changed last, in milliseconds since 1970-01-01T00:00:00Z.
    pub changed_at_ms: u64,
}

impl From<&Refund> for RefundView {
    fn from(refund: &Refund) -> Self {
        let Refund { key, money, cause, state, tries, last_error, retry, created_at, changed_at } = refund;
        Self {
            refund_id: key.id().to_string(),
            attempt_id: key.attempt.to_string(),
            amount_minor: money.minor(),
            currency: money.currency().to_string(),
            cause: cause.as_str(),
            state: state.as_str(),
            tries: *tries,
            last_error: last_error.as_ref().map(Cause::as_str).map(str::to_owned),
            retry_operator: retry.as_ref().map(|retry| retry.operator.as_str().to_owned()),
            retry_cause: retry.as_ref().map(|retry| retry.cause.as_str().to_owned()),
            created_at_ms: created_at.as_millis(),
            changed_at_ms: changed_at.as_millis(),
        }
    }
}

/// The payment attempts and the refunds of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PaymentsView {
    /// By ascending number.
    pub attempts: Vec<AttemptView>,
    /// By ascending attempt and number.
    pub refunds: Vec<RefundView>,
}

impl PaymentsView {
    /// Shows both.
    pub fn new(attempts: &[PaymentAttempt], refunds: &[Refund]) -> Self {
        Self {
            attempts: attempts.iter().map(AttemptView::from).collect(),
            refunds: refunds.iter().map(RefundView::from).collect(),
        }
    }
}
