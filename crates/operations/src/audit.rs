//! The audit: compares the ledger with the order store while traffic runs, and names the batch that makes a difference.
//!
//! Both sides are read in an order that makes the comparison sound, and read again before anything is reported
//! (`docs/adr/0009-audit.md`).
//!
//! | module | subject |
//! |---|---|
//! | [`sides`] | what an audit asks of each side |
//! | [`mod@examine`] | one sale: read both sides, read again, walk the batches, compare what buyers hold, judge |
//! | `holdings` | what each buyer holds, compared with its orders |
//! | [`round`] | several sales, each alone |

pub mod examine;
mod holdings;
pub mod round;
pub mod sides;

pub use examine::{Plan, examine};
pub use round::{Round, examine_all};
pub use sides::{LedgerSide, LogTrace, LogWord, OrderMark, SideError, StoreSide};
