//! The audit: compares the ledger with the order store under traffic, and names the batch that causes a difference.
//!
//! The order in which both sides are read makes the comparison sound; they are read again before anything is reported
//! (`docs/adr/0009-audit.md`).
//!
//! | module | subject |
//! |---|---|
//! | [`sides`] | the calls of an audit to each side |
//! | [`mod@examine`] | one sale: read both sides, read again, walk the batches, compare holdings, judge |
//! | `holdings` | what each buyer holds, compared with its orders |
//! | [`round`] | several sales, each independently |

pub mod examine;
mod holdings;
pub mod round;
pub mod sides;

pub use examine::{Plan, examine};
pub use round::{Round, examine_all};
pub use sides::{LedgerSide, LogTrace, OrderMark, SideError, StoreSide};
