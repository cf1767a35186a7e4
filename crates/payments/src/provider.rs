//! What this system needs of a payment provider.

use std::time::Duration;

use async_trait::async_trait;
use flashgate_domain::{AttemptId, AttemptState, Money, RefundId, RefundState, Timestamp};
use http::HeaderMap;
use thiserror::Error;

use crate::callback::{Callback, CallbackError};

/// A payment provider. Every call is idempotent: it may be repeated when its outcome is unknown.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Verifies and decodes a callback that arrived at `now`. `body` is the body as it arrived, byte for byte.
    ///
    /// # Errors
    /// The callback is not authentic, or its body cannot be decoded.
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Callback, CallbackError>;

    /// The state of an attempt at the provider. Callbacks are not guaranteed, so an attempt without one is queried
    /// before its deadline decides.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn query(&self, attempt: AttemptId) -> Result<AttemptStatus, ProviderError>;

    /// Closes an attempt: it can never be paid afterwards, even if the provider has never seen it. Money that was taken
    /// before stays, and the answer says so.
    ///
    /// # Errors
    /// [`ProviderError`]. The attempt may be closed all the same if [`ProviderError::may_be_executed`].
    async fn close(&self, attempt: AttemptId) -> Result<Closing, ProviderError>;

    /// Starts a refund, or returns the state of the refund with this id if it was started before.
    ///
    /// # Errors
    /// [`ProviderError`]. The refund may be started all the same if [`ProviderError::may_be_executed`].
    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError>;
}

/// The state of an attempt at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptStatus {
    /// The provider has never seen it. It can still be paid.
    Unseen,
    /// It can be paid.
    Open,
    /// It can no longer be paid; no money was taken.
    Closed,
    /// Money was taken.
    Paid {
        /// The amount taken, which may not be the amount due.
        money: Money,
    },
    /// Money was taken, and given back by the provider.
    Reversed {
        /// The amount.
        money: Money,
    },
}

impl AttemptStatus {
    /// The state of the attempt; open for one that the provider has never seen.
    pub const fn state(&self) -> AttemptState {
        match self {
            Self::Unseen | Self::Open => AttemptState::Open,
            Self::Closed => AttemptState::Closed,
            Self::Paid { .. } => AttemptState::Paid,
            Self::Reversed { .. } => AttemptState::Reversed,
        }
    }
}

/// The answer to a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// No money was taken, and none can be taken any more.
    Closed,
    /// Money was taken before: the attempt is paid, not closed.
    AlreadyPaid {
        /// The amount taken.
        money: Money,
    },
    /// Money was taken before, and given back by the provider.
    AlreadyReversed {
        /// The amount.
        money: Money,
    },
}

/// A refund to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    /// Its id, the idempotency key: a refund with the same id is the same refund.
    pub refund: RefundId,
    /// The attempt whose money is returned.
    pub attempt: AttemptId,
    /// The amount to return.
    pub money: Money,
}

/// A call to a provider failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProviderError {
    /// No connection: the request was not sent.
    #[error("cannot connect to the payment provider: {cause}")]
    Unreachable {
        /// The cause.
        cause: String,
    },
    /// The answer did not arrive in time.
    #[error("the payment provider did not answer within {} ms", .limit.as_millis())]
    Timeout {
        /// The timeout of the call.
        limit: Duration,
    },
    /// The connection was lost after the request was sent, or while it was.
    #[error("the connection to the payment provider was lost: {cause}")]
    ConnectionLost {
        /// The cause.
        cause: String,
    },
    /// The provider cannot serve the call now: a status of 5xx, or 408, 425, 429.
    #[error("the payment provider is unavailable: status {status}")]
    Unavailable {
        /// The status.
        status: u16,
    },
    /// The provider refuses the credentials: an operator must act.
    #[error("the payment provider refuses access: status {status}; check the token")]
    AccessDenied {
        /// The status: 401 or 403.
        status: u16,
    },
    /// The provider refuses this call, and will refuse it again.
    #[error("the payment provider refuses the call: status {status}, {code}: {reason}")]
    Refused {
        /// The status, 4xx.
        status: u16,
        /// The provider's code: at most 64 printable characters.
        code: String,
        /// The provider's reason: at most 200 printable characters.
        reason: String,
    },
    /// The answer is not one of the protocol.
    #[error("the answer of the payment provider cannot be read: {cause}")]
    Unreadable {
        /// What is wrong with it.
        cause: String,
    },
}

impl ProviderError {
    /// The stable code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "provider_unreachable",
            Self::Timeout { .. } => "provider_timeout",
            Self::ConnectionLost { .. } => "provider_connection_lost",
            Self::Unavailable { .. } => "provider_unavailable",
            Self::AccessDenied { .. } => "provider_access_denied",
            Self::Refused { .. } => "provider_refused",
            Self::Unreadable { .. } => "provider_answer_unreadable",
        }
    }

    /// Whether the same call can succeed later. Repeating it does no harm, since every call is idempotent.
    pub const fn can_succeed_later(&self) -> bool {
        match self {
            Self::Refused { .. } => false,
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::ConnectionLost { .. }
            | Self::Unavailable { .. }
            | Self::AccessDenied { .. }
            | Self::Unreadable { .. } => true,
        }
    }

    /// Whether the provider may have executed the call all the same.
    pub const fn may_be_executed(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::AccessDenied { .. } | Self::Refused { .. } => false,
            Self::Timeout { .. }
            | Self::ConnectionLost { .. }
            | Self::Unavailable { .. }
            | Self::Unreadable { .. } => true,
        }
    }
}
