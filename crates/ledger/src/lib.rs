//! The ledger: the stock in front of the database, with what each buyer holds and the deduction log.
//!
//! It is a process boundary. Redis stands behind it in production (`flashgate-ledger-redis`), SQLite in the embedded
//! mode (`flashgate-ledger-sqlite`), and a double in the simulation; one contract suite (`contract`, a feature for tests)
//! runs against each.
//!
//! # The traits
//!
//! Who calls the ledger takes the smallest trait that serves. [`Ledger`] is all of them.
//!
//! | module | trait | who calls it, for what |
//! |---|---|---|
//! | `selling` | [`Selling`] | batcher, check-back, settlement: screen, deduct, tell the fate, settle |
//! | `lifecycle` | [`SaleLifecycle`] | preheating, operators: prepare, activate, pause, close, sweep |
//! | `watching` | [`Watching`] | the sold-out watch: standing, keys, events |
//! | `observing` | [`Observing`] | look-ups, audit, re-drive: orders, log entries, messages, snapshots, holdings |
//! | `repairing` | [`Repairing`] | repairs: rebuild a sale, put its units right |
//! | `identifying` | [`Identifying`] | the start of a process: which ledger it is, and the number of the process |
//! | `probing` | [`Probing`] | health and clocks: ping, time |
//!
//! | module | what implementations share |
//! |---|---|
//! | `fault` | [`LedgerError`]: what can go wrong, and what it proves |
//! | `retention` | [`Retention`]: how long evidence is kept |
//! | [`compensation`] | what a compensating step makes of the totals |
//! | [`decision_byte`] | the byte of a decided order in a log entry |
//! | `contract` | what every ledger must do, as tests |
//!
//! # What every implementation promises
//!
//! - Each call on a shard is atomic: it happens whole, or not at all, and no other call sees it half done.
//! - An error means that **it is not known** whether the call happened, unless [`LedgerError::nothing_done`]
//!   says otherwise. Nobody may take an error for a "no".
//! - Evidence is never deleted by a call: a log entry or a fence lives until its retention is over.
//! - `available = initial + restocked + returned - deducted`, at every moment.

pub mod compensation;
#[cfg(feature = "contract")]
pub mod contract;
pub mod decision_byte;
mod fault;
mod identifying;
mod lifecycle;
mod observing;
mod probing;
mod repairing;
mod retention;
mod selling;
mod watching;

pub use fault::LedgerError;
pub use flashgate_domain::{LedgerState, Totals, audit::WrittenCounts};
pub use identifying::{Identifying, LedgerIdentity};
pub use lifecycle::{Activated, Prepared, SaleLifecycle};
pub use observing::{LedgerOrder, LogEntry, LogStatus, Observing, OpenBatch, Snapshot};
pub use probing::Probing;
pub use repairing::{Compensated, Rebuilding, Rebuilt, Repairing, Restored};
pub use retention::Retention;
pub use selling::{Deduction, Fate, IntentResult, Screening, Selling, Settled};
pub use watching::{LedgerEvent, SaleStock, Watching};

/// All that a ledger can do: for whoever hands parts of it to others, and for those who need most of it.
///
/// Whatever has all of the traits is a ledger; nobody implements this one.
pub trait Ledger: Selling + SaleLifecycle + Watching + Observing + Repairing + Identifying + Probing {}

impl<T: Selling + SaleLifecycle + Watching + Observing + Repairing + Identifying + Probing> Ledger for T {}
