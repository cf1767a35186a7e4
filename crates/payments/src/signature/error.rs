//! Why a webhook is not authentic.

use std::time::Duration;

use thiserror::Error;

/// Why a webhook is not accepted as authentic. The same webhook is refused again, except where the clocks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// A header is missing.
    #[error("header {0} is required")]
    Missing(&'static str),
    /// A header is there twice: another reader could take the other one.
    #[error("header {0} must not be repeated")]
    Repeated(&'static str),
    /// A header has not the form that the profile prescribes.
    #[error("header {0} is malformed")]
    Malformed(&'static str),
    /// Signed too long ago: the webhook may be replayed, or the clocks differ.
    #[error("the timestamp is more than {} s in the past", .tolerance.as_secs())]
    TooOld {
        /// The maximum age.
        tolerance: Duration,
    },
    /// Signed in the future: the clocks differ.
    #[error("the timestamp is more than {} s in the future", .tolerance.as_secs())]
    TooNew {
        /// The maximum difference.
        tolerance: Duration,
    },
    /// No signature matches: other secrets, another body, or a forged webhook.
    #[error("no signature matches")]
    BadSignature,
}

impl SignatureError {
    /// The stable code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing_header",
            Self::Repeated(_) => "repeated_header",
            Self::Malformed(_) => "malformed_header",
            Self::TooOld { .. } => "timestamp_too_old",
            Self::TooNew { .. } => "timestamp_too_new",
            Self::BadSignature => "bad_signature",
        }
    }

    /// The header that is missing, repeated or malformed.
    pub const fn header(&self) -> Option<&'static str> {
        match self {
            Self::Missing(name) | Self::Repeated(name) | Self::Malformed(name) => Some(name),
            Self::TooOld { .. } | Self::TooNew { .. } | Self::BadSignature => None,
        }
    }
}
