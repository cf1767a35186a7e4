//! The errors of calls to the broker.

use std::fmt;

use rocketmq_protocol::code::response_code::ResponseCode;

/// A call to the broker that failed. Each variant states what is certain about its effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// The request was not sent: no route, no connection, or a full send queue.
    #[error("cannot reach the broker: {reason}")]
    Unavailable {
        /// Why it was not sent.
        reason: String,
    },
    /// A server and this client refuse each other: signature, certificate or TLS. Nothing was sent but a probe.
    #[error("access refused: {reason}")]
    Refused {
        /// The server, what was refused, and the keys to check.
        reason: String,
    },
    /// The request was sent, and no answer came. It may or may not have had its effect.
    #[error("no answer of the broker: {reason}")]
    Unanswered {
        /// The timeout, or the loss of the connection.
        reason: String,
    },
    /// The broker stored the message but reports that a crash may lose it (flush or replica is behind).
    #[error("the broker stored the message, but not durably: {reason}")]
    NotDurable {
        /// The broker's remark.
        reason: String,
    },
    /// The broker is overloaded and refused the request. Nothing was stored.
    #[error("the broker is busy: {reason}")]
    Busy {
        /// The broker's remark.
        reason: String,
    },
    /// The broker accepts no verdict on this half-message any more; its check-back decides.
    #[error("cannot resolve the half-message: too late: {reason}")]
    TooLate {
        /// The broker's remark.
        reason: String,
    },
    /// The broker refused the request permanently.
    #[error("the broker refused the request (code {broker_code}): {reason}")]
    Rejected {
        /// The response code of the remoting protocol.
        broker_code: i32,
        /// The broker's remark.
        reason: String,
    },
    /// The message or the configuration is invalid; nothing was sent.
    #[error("invalid request: {reason}; nothing was sent")]
    Invalid {
        /// What is invalid.
        reason: String,
    },
    /// The broker's bytes cannot be decoded.
    #[error("invalid answer of the broker: {reason}")]
    InvalidResponse {
        /// What cannot be decoded.
        reason: String,
    },
    /// This client was shut down; nothing was sent.
    #[error("the broker client is shut down")]
    Closed,
}

const NO_PERMISSION: i32 = ResponseCode::NoPermission.to_i32();

impl BusError {
    /// The stable code, for logs, metrics and error bodies.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "bus_unavailable",
            Self::Refused { .. } => "bus_refused",
            Self::Unanswered { .. } => "bus_unanswered",
            Self::NotDurable { .. } => "bus_not_durable",
            Self::Busy { .. } => "bus_busy",
            Self::TooLate { .. } => "bus_too_late",
            Self::Rejected { .. } => "bus_rejected",
            Self::Invalid { .. } => "bus_invalid",
            Self::InvalidResponse { .. } => "bus_invalid_response",
            Self::Closed => "bus_closed",
        }
    }

    /// Whether it is certain that the call had no effect and may succeed later, so that a retry duplicates nothing.
    pub const fn retry_safe(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Refused { .. } | Self::Busy { .. } => true,
            Self::Unanswered { .. }
            | Self::NotDurable { .. }
            | Self::TooLate { .. }
            | Self::Rejected { .. }
            | Self::Invalid { .. }
            | Self::InvalidResponse { .. }
            | Self::Closed => false,
        }
    }

    /// Whether a server refuses this client, or its user lacks a right: an operator must act.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Rejected { broker_code: NO_PERMISSION, .. })
    }

    /// The same fault with `place` in front of its reason.
    pub(crate) fn at(mut self, place: &impl fmt::Display) -> Self {
        match &mut self {
            Self::Unavailable { reason }
            | Self::Refused { reason }
            | Self::Unanswered { reason }
            | Self::NotDurable { reason }
            | Self::Busy { reason }
            | Self::TooLate { reason }
            | Self::Rejected { reason, .. }
            | Self::Invalid { reason }
            | Self::InvalidResponse { reason } => *reason = format!("{place}: {reason}"),
            Self::Closed => {}
        }
        self
    }

    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }

    pub(crate) fn unanswered(reason: impl Into<String>) -> Self {
        Self::Unanswered { reason: reason.into() }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }

    pub(crate) fn invalid_response(reason: impl Into<String>) -> Self {
        Self::InvalidResponse { reason: reason.into() }
    }
}
