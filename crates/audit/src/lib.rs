//! The audit: compares the ledger with the order store while traffic runs, and says which batch makes a difference. And
//! what mends what it found.
//!
//! The gateways own the ledger, the order workers own the database, so an audit reads neither: it asks both
//! services. What the numbers mean is decided in [`flashgate_domain::audit`], without I/O; this crate fetches them
//! in an order that makes the comparison sound, and looks again before it reports anything (`docs/adr/0009`).
//!
//! | module | subject |
//! |---|---|
//! | [`sides`] | what is asked of each side |
//! | [`mod@examine`] | one sale: look, look again, walk the batches, compare what buyers hold, judge |
//! | `holdings` | what each buyer holds, compared with its orders |
//! | [`mod@redrive`] | open batches that are too old: settle or decide them |
//! | [`drift`] | what no open batch explains: put it right while buyers buy |
//! | [`rebuild`] | the ledger of a paused sale: build it anew from the orders |
//! | [`grpc`] | both sides over their operators' interfaces |

pub mod drift;
pub mod examine;
pub mod grpc;
mod holdings;
pub mod rebuild;
pub mod redrive;
pub mod sides;

pub use drift::Drift;
pub use examine::{Plan, examine};
pub use grpc::{GatewayLedger, Sides, WorkerBooks};
pub use rebuild::Rebuild;
pub use redrive::{Stuck, redrive};
pub use sides::{LedgerSide, LogTrace, LogWord, OrderMark, SideFault, StoreSide};
