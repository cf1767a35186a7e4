//! What can go wrong with a call.

use flashgate_domain::LedgerId;
use thiserror::Error;
use tokio::time::error::Elapsed;

/// A call on the ledger failed.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// No connection could be had; nothing was sent.
    #[error("the ledger cannot be reached: {0}")]
    Unreachable(String),
    /// It was sent and no answer came: it may have happened.
    #[error("the ledger did not answer: {0}")]
    NoAnswer(String),
    /// The ledger refused the call, having changed nothing (out of memory, loading, a server that takes no writes).
    #[error("the ledger refused the call: {0}")]
    Refused(String),
    /// It is not the ledger that the call was meant for. It changed nothing.
    #[error("the ledger is another one: {}", .found.map_or("it has no identity".to_owned(), |id| id.to_string()))]
    OtherLedger {
        /// Which one it is; `None` if it has lost its identity.
        found: Option<LedgerId>,
    },
    /// The ledger answered something that this version does not understand.
    #[error("the ledger answered {reply} to {call}")]
    UnknownReply {
        /// The call.
        call: &'static str,
        /// What came back, shortened.
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

    /// Whether the ledger answered, and neither did what was asked nor said why in words that are known.
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
