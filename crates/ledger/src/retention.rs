//! The retention of evidence.

use std::time::Duration;

/// How long evidence is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Fences, and the log entries of settled batches: longer than the broker's retention of messages.
    pub log: Duration,
    /// The keys of a closed sale.
    pub sale: Duration,
}
