//! The comparison of both layers: pure, so that whoever reads the books can judge them. The argument why it holds
//! while traffic runs is in `docs/adr/0009-audit.md`.
//!
//! | module | subject |
//! |---|---|
//! | [`snapshot`] | what each side tells about one sale |
//! | [`gap`] | the three numbers that must be zero |
//! | [`finding`] | what can be wrong, and the verdict |
//! | [`holding`] | what buyers hold, and whether all of a sale is there |
//! | [`judge`] | from books to findings |
//! | [`step`] | the compensating steps that put units right |

pub mod finding;
pub mod gap;
pub mod holding;
pub mod judge;
pub mod snapshot;
pub mod step;

pub use finding::{Finding, Report, Verdict};
pub use gap::{Gap, missing_orders};
pub use holding::{Holdings, lost_part};
pub use judge::{Evidence, Trace, TraceStatus, open_batches, weigh};
pub use snapshot::{
    Amount, BatchSums, BuyerUnits, DecidedBatch, Held, LedgerSnapshot, LostEntry, StoreSnapshot, Sums,
    WrittenCounts,
};
pub use step::{LedgerStep, Steps, StoreStep};
