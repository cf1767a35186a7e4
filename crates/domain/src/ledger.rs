//! The state of a sale in the ledger, as both sides of an interface must name it.

named! {
    /// The state of a sale in the ledger.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum LedgerState {
        /// Stored, not sellable yet.
        Prepared = "prepared",
        /// Sellable within its window.
        Active = "active",
        /// Stopped until it is rebuilt.
        Paused = "paused",
        /// Over.
        Closed = "closed",
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
    /// The part of `deducted` that the database could not give, when the orders were placed or when they were shipped.
    pub written_off: u64,
    /// The part of `returned` that compensates a late deduction: the ledger had gone below zero, and the written-off
    /// units were the counterpart.
    pub reclaimed: u64,
    /// What confirmed orders gave up, a part of `returned`, or of `written_off` where the units do not exist: what the order
    /// store counts as returned, once every event has arrived.
    pub released: u64,
    /// `initial + restocked + returned - deducted`.
    pub available: i64,
}

named! {
    /// The status of a batch in the deduction log.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum LogStatus {
        /// Deducted, and not settled.
        Deducted = "deducted",
        /// Settled.
        Acknowledged = "acknowledged",
        /// Fenced: it will never be deducted.
        Fenced = "fenced",
    }
}
