//! The bodies of the provider's protocol, as JSON. [`crate::http`] describes the requests.

use flashgate_domain::{
    AttemptId, AttemptState, Currency, Money, RefundId, RefundState,
    payment::{InvalidAttemptId, InvalidCurrency, InvalidMoney},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::provider::AttemptStatus;

/// An amount of an attempt, as a buyer pays it or a refund returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmountBody {
    /// The attempt.
    pub attempt_id: String,
    /// The amount, in the currency's minor unit.
    pub amount_minor: u64,
    /// ISO 4217 code.
    pub currency: String,
}

/// The answer about an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptBody {
    /// The attempt.
    pub attempt_id: String,
    /// `open`, `closed`, `paid` or `reversed`.
    pub state: String,
    /// What was taken; only with `paid` and `reversed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_minor: Option<u64>,
    /// Its currency; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// The answer about a refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundBody {
    /// The refund: the idempotency key of its request.
    pub refund_id: String,
    /// `pending`, `requires_action`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
}

/// Every answer that is no success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// A stable code, for programs.
    pub code: String,
    /// One sentence, for people.
    pub detail: String,
}

/// The field of a body that is invalid, and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidBody {
    /// `attempt_id` is invalid, or not that of the request.
    #[error("attempt_id {0}")]
    Attempt(#[from] InvalidAttemptId),
    /// The answer is about another attempt, or another refund.
    #[error("{0} must be that of the request")]
    OtherId(&'static str),
    /// `currency` is invalid.
    #[error("currency {0}")]
    Currency(#[from] InvalidCurrency),
    /// `amount_minor` is invalid.
    #[error("amount_minor {0}")]
    Amount(#[from] InvalidMoney),
    /// A field is missing.
    #[error("{0} is required")]
    Missing(&'static str),
    /// `state` is unknown.
    #[error("state must be one of the protocol")]
    State,
}

impl AmountBody {
    /// The body for an amount of an attempt.
    pub fn new(attempt: AttemptId, money: Money) -> Self {
        Self {
            attempt_id: attempt.to_string(),
            amount_minor: money.minor(),
            currency: money.currency().to_string(),
        }
    }

    /// The attempt and the amount.
    ///
    /// # Errors
    /// The invalid field.
    pub fn parse(&self) -> Result<(AttemptId, Money), InvalidBody> {
        let currency: Currency = self.currency.parse()?;
        Ok((self.attempt_id.parse()?, Money::new(self.amount_minor, currency)?))
    }
}

impl AttemptBody {
    /// The body for the status of an attempt. One that the provider has never seen has none: its answer is an error.
    pub fn new(attempt: AttemptId, status: AttemptStatus) -> Self {
        let money = match status {
            AttemptStatus::Paid { money } | AttemptStatus::Reversed { money } => Some(money),
            AttemptStatus::Unseen | AttemptStatus::Open | AttemptStatus::Closed => None,
        };
        Self {
            attempt_id: attempt.to_string(),
            state: status.state().to_string(),
            amount_minor: money.map(Money::minor),
            currency: money.map(|money| money.currency().to_string()),
        }
    }

    /// The status, from the answer to a request about `attempt`.
    ///
    /// # Errors
    /// The invalid field.
    pub fn parse(&self, attempt: AttemptId) -> Result<AttemptStatus, InvalidBody> {
        if self.attempt_id.parse::<AttemptId>()? != attempt {
            return Err(InvalidBody::OtherId("attempt_id"));
        }
        let state = AttemptState::parse(&self.state).ok_or(InvalidBody::State)?;
        Ok(match state {
            AttemptState::Open => AttemptStatus::Open,
            AttemptState::Closed => AttemptStatus::Closed,
            AttemptState::Paid => AttemptStatus::Paid { money: self.money()? },
            AttemptState::Reversed => AttemptStatus::Reversed { money: self.money()? },
        })
    }

    fn money(&self) -> Result<Money, InvalidBody> {
        let minor = self.amount_minor.ok_or(InvalidBody::Missing("amount_minor"))?;
        let currency = self.currency.as_deref().ok_or(InvalidBody::Missing("currency"))?;
        Ok(Money::new(minor, currency.parse()?)?)
    }
}

impl RefundBody {
    /// The body for the state of a refund.
    pub fn new(refund: &RefundId, state: RefundState) -> Self {
        Self { refund_id: refund.to_string(), state: state.to_string() }
    }

    /// The state, from the answer to a request about `refund`.
    ///
    /// # Errors
    /// The invalid field.
    pub fn parse(&self, refund: &RefundId) -> Result<RefundState, InvalidBody> {
        if self.refund_id != refund.as_str() {
            return Err(InvalidBody::OtherId("refund_id"));
        }
        RefundState::parse(&self.state).ok_or(InvalidBody::State)
    }
}
