//! The order store: the system of record for sales and orders.
//!
//! MySQL stands behind it in production (`order-store-mysql`), SQLite in the embedded mode (`order-store-sqlite`), and one
//! contract suite (feature `contract`, for tests) runs against each. [`server::StoreDriver`] is how a worker comes to a store
//! without knowing which.
//!
//! What every implementation promises:
//!
//! - Each call is atomic and durable: it happens whole, or not at all.
//! - A fault means that **it is not known** whether the call happened. Repeating it is always safe: a batch is
//!   decided once, and a transition that happened is found done.
//! - A decision is final: the same batch always has the same outcome, whatever became of its orders later.
//! - `saleable = initial + restocked + returned - applied`, at every moment, and never below zero.
//!
//! | trait | who needs it |
//! |---|---|
//! | [`OrderRepository`] | the consumer, which places orders; look-ups |
//! | [`SaleRepository`] | operators, and the gateways' preheat |
//! | [`SnapshotRepository`] | audit and rebuild |
//! | [`RepairRepository`] | operators' repairs, and dead letters |
//! | [`DeploymentRepository`] | health check, and the match of ledger and store |
//! | [`OrderStore`] | all of them: what an implementation is |
//! | [`server::ServerStore`] | a store whose schema an operator migrates |
//!
//! [`decide`] and [`triage`] are the decisions that need no database; [`sql`] is what stores that speak SQL share.

mod compensation;
#[cfg(feature = "contract")]
pub mod contract;
mod dead_letter;
pub mod decide;
mod deployment;
mod fault;
mod order;
mod repair;
mod sale;
pub mod server;
mod snapshot;
pub mod sql;
pub mod triage;

pub use compensation::{Compensated, Correction, OrderSnapshot};
pub use dead_letter::{LetterDecision, LetterKey, LetterStatus};
pub use deployment::{DeploymentRepository, Registration, StoreIdentity};
pub use fault::StoreError;
pub use order::{OrderRepository, Placed, Rejection};
pub use repair::{
    ACTOR_CHARS_MAX, InvalidRepair, KIND_BYTES_MAX, REASON_CHARS_MAX, REPAIR_PAGE_MAX, RepairDraft,
    RepairEvent, RepairRepository, TEXT_BYTES_MAX,
};
pub use sale::{SALE_PAGE_MAX, SaleMade, SalePage, SaleRepository, Transition};
pub use snapshot::{
    BATCH_PAGE_MAX, BUYER_PAGE_MAX, BatchPage, BuyerPage, OutcomePage, OutcomesPage, SnapshotRepository,
};

/// The system of record: every capability of it.
pub trait OrderStore:
    OrderRepository + SaleRepository + SnapshotRepository + RepairRepository + DeploymentRepository
{
}

impl<T> OrderStore for T where
    T: OrderRepository + SaleRepository + SnapshotRepository + RepairRepository + DeploymentRepository
{
}
