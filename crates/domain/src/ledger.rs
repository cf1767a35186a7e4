//! The state of a sale in the ledger, as both sides of an interface must name it.

use std::fmt;

/// The state of a sale in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// Stored, not sellable yet.
    Prepared,
    /// Sellable within its window.
    Active,
    /// Stopped until it is rebuilt.
    Paused,
    /// Over.
    Closed,
}

impl LedgerState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Prepared, Self::Active, Self::Paused, Self::Closed];

    /// The stable name: in the ledger itself, at the operators' interfaces and in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Closed => "closed",
        }
    }

    /// The inverse of [`LedgerState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for LedgerState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The totals of a sale. All but `available` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Units at the preheat.
    pub initial: u64,
    /// Units added since.
    pub restocked: u64,
    /// Units returned: of cancelled orders, written-off units that a late deduction reclaimed, and leaked units
    /// that a compensating step found.
    pub returned: u64,
    /// Units taken by batches, and by compensating steps from a surplus.
    pub deducted: u64,
    /// The part of `deducted` that the database could not give.
    pub written_off: u64,
    /// The part of `returned` that compensates a late deduction: the ledger had gone below zero, and the written-off
    /// units were the counterpart.
    pub reclaimed: u64,
    /// `initial + restocked + returned - deducted`.
    pub available: i64,
}

/// The status of a batch in the deduction log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStatus {
    /// Deducted, and not settled.
    Deducted,
    /// Settled.
    Acknowledged,
    /// Fenced: it will never be deducted.
    Fenced,
}

impl LogStatus {
    /// The stable name, as in the log itself.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deducted => "deducted",
            Self::Acknowledged => "acknowledged",
            Self::Fenced => "fenced",
        }
    }

    /// The inverse of [`LogStatus::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Deducted, Self::Acknowledged, Self::Fenced].into_iter().find(|status| status.as_str() == text)
    }
}
