//! The order store: the system of record for sales and orders.
//!
//! Production uses MySQL (`order-store-mysql`), the embedded mode SQLite (`order-store-sqlite`); one contract suite
//! (feature `contract`, for tests) runs against each. A worker opens a store through [`server::StoreDriver`],
//! independent of the database.
//!
//! Every implementation promises:
//!
//! - Each call is atomic and durable: it happens as a whole, or not at all.
//! - After an error **it is unknown** whether the call happened. A retry is always safe: a batch is decided once, and a
//!   transition that happened is found done.
//! - A decision is final: the same batch always has the same outcome, whatever the state of its orders is later.
//! - `saleable - reserved = initial + restocked + returned - applied`, at every moment, and `saleable` is never below
//!   zero. Only a sale whose units leave at the shipment reserves some.
//!
//! | trait | used by |
//! |---|---|
//! | [`OrderRepository`] | the consumer, which places orders; order queries |
//! | [`LifecycleRepository`] | everything that changes an order after it was placed; the publisher of events |
//! | [`DeadlineRepository`] | the task that cancels unpaid orders |
//! | [`PaymentRepository`] | everything that speaks to the payment provider |
//! | [`SaleRepository`] | operators, and the gateways' preheat |
//! | [`SnapshotRepository`] | audit and rebuild |
//! | [`RepairRepository`] | operators' repairs, and dead letters |
//! | [`DeploymentRepository`] | health check, and the match of ledger and store |
//! | [`OrderStore`] | all of them together: what an implementation is |
//! | [`server::ServerStore`] | a store whose schema an operator migrates |
//!
//! [`decide`], [`triage`], [`expiry`] and [`payment_rules`] make the decisions that need no database; [`sql`] is what SQL
//! stores share.

mod compensation;
#[cfg(feature = "contract")]
pub mod contract;
mod dead_letter;
mod deadlines;
pub mod decide;
mod deployment;
pub mod expiry;
mod fault;
mod lifecycle;
mod order;
pub mod payment_rules;
mod payments;
mod repair;
mod sale;
pub mod server;
mod snapshot;
pub mod sql;
pub mod stock;
pub mod triage;

pub use compensation::{Compensated, Correction, OrderSnapshot};
pub use dead_letter::{LetterDecision, LetterKey, LetterStatus};
pub use deadlines::{DEADLINE_PAGE_MAX, DeadlineRepository, PaymentDeadline};
pub use deployment::{DeploymentRepository, Registration};
pub use fault::StoreError;
pub use flashgate_domain::StoreIdentity;
pub use lifecycle::{Changed, EVENT_PAGE_MAX, LifecycleRepository, ORDER_EVENTS_MAX, OrderChange};
pub use order::{OrderRepository, Placed, Rejection};
pub use payments::{
    ATTEMPTS_MAX, CALLBACK_PAGE_MAX, DueCheck, DueRefund, Opened, PAYMENT_PAGE_MAX, PaymentFinding,
    PaymentReport, PaymentRepository, REFUND_ERROR_CHARS_MAX, Recorded, ReportKind, Retried,
};
pub use repair::{
    ACTOR_CHARS_MAX, InvalidRepair, KIND_BYTES_MAX, REASON_CHARS_MAX, REPAIR_PAGE_MAX, RepairDraft,
    RepairEvent, RepairRepository, TEXT_BYTES_MAX,
};
pub use sale::{RESTOCKS_MAX, Restocked, SALE_PAGE_MAX, SaleMade, SalePage, SaleRepository, Transition};
pub use snapshot::{
    BATCH_PAGE_MAX, BUYER_PAGE_MAX, BatchPage, BuyerPage, OutcomePage, OutcomesPage, SnapshotRepository,
};

/// The system of record, with all of its capabilities.
pub trait OrderStore:
    OrderRepository
    + LifecycleRepository
    + DeadlineRepository
    + PaymentRepository
    + SaleRepository
    + SnapshotRepository
    + RepairRepository
    + DeploymentRepository
{
}

impl<T> OrderStore for T where
    T: OrderRepository
        + LifecycleRepository
        + DeadlineRepository
        + PaymentRepository
        + SaleRepository
        + SnapshotRepository
        + RepairRepository
        + DeploymentRepository
{
}
