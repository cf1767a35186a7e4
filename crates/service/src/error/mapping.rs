//! One row of the table of outcomes.

use std::time::Duration;

use flashgate_domain::Refusal;
use http::StatusCode;
use tonic::Code;

use super::{ERRORS, REFUSALS, table};

/// The answer to one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusMapping {
    /// The stable code, the same over HTTP and gRPC.
    pub code: &'static str,
    /// The title of the problem document.
    pub title: &'static str,
    /// The HTTP status.
    pub http: StatusCode,
    /// The gRPC status.
    pub grpc: Code,
    /// Whether the same request may be sent again.
    pub retry: Retry,
    /// The sentence for people; a name in braces stands for a parameter of the occurrence.
    pub detail: &'static str,
}

/// Whether the same request, unchanged, can succeed later and is harmless to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No.
    Never,
    /// Yes, after an unknown time.
    Safe,
    /// Yes, a second later: `Retry-After`, `google.rpc.RetryInfo`.
    AfterOneSecond,
}

impl StatusMapping {
    /// Every row, the outcomes of purchases first.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        REFUSALS.iter().chain(ERRORS)
    }

    /// The row of a refusal.
    pub const fn of_refusal(refusal: &Refusal) -> &'static Self {
        table::refusal_mapping(refusal)
    }

    /// The row of a code.
    pub fn of_code(code: &str) -> Option<&'static Self> {
        Self::all().find(|row| row.code == code)
    }

    /// Whether the same request, unchanged, can succeed later and is harmless to repeat.
    pub const fn retry_safe(&self) -> bool {
        match self.retry {
            Retry::Never => false,
            Retry::Safe | Retry::AfterOneSecond => true,
        }
    }

    /// The time after which it may be sent again, if known.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.retry {
            Retry::Never | Retry::Safe => None,
            Retry::AfterOneSecond => Some(Duration::from_secs(1)),
        }
    }
}
