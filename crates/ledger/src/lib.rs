//! The ledger: the stock in front of the database, with what each buyer holds and the deduction log.
//!
//! It is a process boundary. Production uses Redis (`flashgate-ledger-redis`), the embedded mode SQLite
//! (`flashgate-ledger-sqlite`), the simulation a double; one contract suite (`contract`, a feature for tests) runs
//! against each.
//!
//! # The traits
//!
//! A caller takes the smallest trait that has the calls it needs. [`Ledger`] is all of them.
//!
//! | module | trait | callers and calls |
//! |---|---|---|
//! | `selling` | [`Selling`] | batcher, check-back, settlement: screen, deduct, check back, settle |
//! | `lifecycle` | [`SaleLifecycle`] | preheating, operators: prepare, activate, pause, close, sweep |
//! | `watching` | [`Watching`] | the sold-out watch: stock, keys, events |
//! | `observing` | [`Observing`] | queries, audit, re-drive: orders, log entries, messages, snapshots, holdings |
//! | `returning` | [`Returning`] | the consumer of order events: the units of a cancelled order come back |
//! | `repairing` | [`Repairing`] | repairs: rebuild a sale, correct its units |
//! | `identifying` | [`Identifying`] | the start of a process: the ledger's identity, the node number |
//! | `probing` | [`Probing`] | health and clocks: ping, time |
//!
//! | module | what implementations share |
//! |---|---|
//! | `fault` | [`LedgerError`]: what can fail, and what each error proves |
//! | `retention` | [`Retention`]: how long evidence is kept |
//! | [`compensation`] | the effect of a compensating step on the totals |
//! | [`decision_byte`] | the byte of a decided order in a log entry |
//! | [`intents`] | the intents of a call, and their layout in a log entry |
//! | `contract` | the contract suite, as tests |
//!
//! # What every implementation promises
//!
//! - Each call on a shard is atomic: it happens as a whole, or not at all, and no other call sees an intermediate
//!   state.
//! - After an error **it is unknown** whether the call happened, unless [`LedgerError::nothing_done`] is true. A ledger
//!   error is never treated as a refusal.
//! - Evidence is never deleted by a call: a log entry or a fence lives until its retention is over.
//! - `available = initial + restocked + returned - deducted`, at every moment.

pub mod compensation;
#[cfg(feature = "contract")]
pub mod contract;
pub mod decision_byte;
mod fault;
mod identifying;
pub mod intents;
mod lifecycle;
mod observing;
mod probing;
mod repairing;
mod retention;
mod returning;
mod selling;
mod watching;

pub use fault::LedgerError;
pub use flashgate_domain::{
    LedgerState, LogStatus, Totals,
    audit::{OpenBatch, WrittenCounts},
};
pub use identifying::{Identifying, LedgerIdentity};
pub use lifecycle::{Activated, Prepared, Restocked, SaleLifecycle};
pub use observing::{LedgerOrder, LogEntry, Observing, Snapshot};
pub use probing::Probing;
pub use repairing::{Compensated, Rebuilding, Rebuilt, Repairing, Restored};
pub use retention::Retention;
pub use returning::{CancelledOrder, Returned, Returning};
pub use selling::{Deduction, Fate, IntentResult, Screening, Selling, Settled};
pub use watching::{LedgerEvent, SaleStock, Watching};

/// All capabilities of a ledger: for a caller that passes parts of it on, or that needs most of it.
///
/// Every type with all of the traits is a ledger; do not implement this one.
pub trait Ledger:
    Selling + Returning + SaleLifecycle + Watching + Observing + Repairing + Identifying + Probing
{
}

impl<T: Selling + Returning + SaleLifecycle + Watching + Observing + Repairing + Identifying + Probing> Ledger
    for T
{
}
