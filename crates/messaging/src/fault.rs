//! What can go wrong between a process and the broker.

use std::fmt;

/// A call to the broker that did not end well. Each variant says what is known about its effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusFault {
    /// The request never left this process: no route, no connection, or a full send queue.
    #[error("the broker cannot be reached: {reason}")]
    Unavailable {
        /// What stood in the way.
        reason: String,
    },
    /// The request left, and no answer came. It may or may not have had its effect.
    #[error("the broker did not answer: {reason}")]
    Unanswered {
        /// What ended the wait: the time-out, or the loss of the connection.
        reason: String,
    },
    /// The broker took the message and says that a crash may lose it (flush or replica behind).
    #[error("the broker holds the message, but not durably: {reason}")]
    NotDurable {
        /// The broker's remark.
        reason: String,
    },
    /// The broker refuses for now, since it is overloaded. Nothing was stored.
    #[error("the broker is busy: {reason}")]
    Busy {
        /// The broker's remark.
        reason: String,
    },
    /// The broker takes no verdict on this half-message any more; its check-back decides.
    #[error("too late to resolve the half-message: {reason}")]
    TooLate {
        /// The broker's remark.
        reason: String,
    },
    /// The broker refused the request for good.
    #[error("the broker refused (code {broker_code}): {reason}")]
    Rejected {
        /// The response code of the remoting protocol.
        broker_code: i32,
        /// The broker's remark.
        reason: String,
    },
    /// The message or the configuration is wrong; nothing was sent.
    #[error("not sent: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The broker's bytes could not be understood.
    #[error("the broker's answer makes no sense: {reason}")]
    InvalidResponse {
        /// What could not be read.
        reason: String,
    },
    /// This end was shut down; nothing was sent.
    #[error("shut down")]
    Closed,
}

impl BusFault {
    /// The stable code of the fault, for logs, metrics and error bodies.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "bus_unavailable",
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

    /// Whether the call certainly had no effect and may succeed later, so that repeating it doubles nothing.
    pub const fn retry_safe(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Busy { .. } => true,
            Self::Unanswered { .. }
            | Self::NotDurable { .. }
            | Self::TooLate { .. }
            | Self::Rejected { .. }
            | Self::Invalid { .. }
            | Self::InvalidResponse { .. }
            | Self::Closed => false,
        }
    }

    /// The same fault, which names the place that it is about.
    pub(crate) fn at(mut self, place: &impl fmt::Display) -> Self {
        match &mut self {
            Self::Unavailable { reason }
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
