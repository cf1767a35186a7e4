//! The comparison of ledger and order store: pure, so that any holder of both snapshots can run it. The proof that it
//! holds under traffic is in `docs/adr/0009-audit.md`.
//!
//! | module | subject |
//! |---|---|
//! | [`snapshot`] | what each side reports about one sale |
//! | [`gap`] | the three numbers that must be zero |
//! | [`finding`] | the possible faults, and the verdict |
//! | [`holding`] | what buyers hold, and whether all of a sale is present |
//! | [`judge`] | from snapshots to findings |
//! | [`step`] | the compensating steps that correct units |

pub mod finding;
pub mod gap;
pub mod holding;
pub mod judge;
pub mod snapshot;
pub mod step;

pub use finding::{Finding, Report, Verdict};
pub use gap::{Gap, missing_orders};
pub use holding::{Holdings, lost_part};
pub use judge::{Evidence, Trace, TraceStatus, open_batches, restocked_units, returned_units, weigh};
pub use snapshot::{
    Amount, BatchSums, BuyerUnits, DecidedBatch, LedgerSnapshot, LostEntry, OpenBatch, StoreSnapshot, Sums,
    WrittenCounts,
};
pub use step::{LedgerStep, Steps, StoreStep};
