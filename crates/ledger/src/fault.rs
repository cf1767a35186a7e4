//! The errors of calls on the ledger.

use flashgate_domain::LedgerId;
use thiserror::Error;
use tokio::time::error::Elapsed;

/// A call on the ledger failed.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// There was no connection; nothing was sent.
    #[error("cannot reach the ledger: {0}")]
    Unreachable(String),
    /// The call was sent and no answer came: it may have happened.
    #[error("no answer of the ledger: {0}")]
    NoAnswer(String),
    /// The ledger refused the call and changed nothing (out of memory, loading, read-only).
    #[error("the ledger refused the call: {0}")]
    Refused(String),
    /// It is not the expected ledger. It changed nothing.
    #[error("unexpected ledger identity: {}", .found.map_or("none".to_owned(), |id| id.to_string()))]
    OtherLedger {
        /// Its identity; `None` if it has lost it.
        found: Option<LedgerId>,
    },
    /// The ledger's reply cannot be decoded.
    #[error("unknown reply of the ledger to {call}: {reply}")]
    UnknownReply {
        /// The call.
        call: &'static str,
        /// The reply, shortened.
        reply: String,
    },
}

impl LedgerError {
    /// The stable name, for metrics and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "ledger_unreachable",
            Self::NoAnswer(_) => "ledger_no_answer",
            Self::Refused(_) => "ledger_refused",
            Self::OtherLedger { .. } => "ledger_other",
            Self::UnknownReply { .. } => "ledger_unknown_reply",
        }
    }

    /// Whether the ledger answered, but neither did the call nor gave a known reason.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) | Self::UnknownReply { .. } => true,
            Self::Unreachable(_) | Self::NoAnswer(_) | Self::OtherLedger { .. } => false,
        }
    }

    /// Whether it is certain that the call changed nothing.
    pub const fn nothing_done(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Refused(_) | Self::OtherLedger { .. } => true,
            Self::NoAnswer(_) | Self::UnknownReply { .. } => false,
        }
    }
}

impl From<Elapsed> for LedgerError {
    fn from(elapsed: Elapsed) -> Self {
        Self::NoAnswer(elapsed.to_string())
    }
}
