//! The terms and rules of flashgate, without any I/O.
//!
//! Everything that both services must agree on is here: the layout of an id, the legal quantities, the verdicts that
//! a buyer can get, the transitions of an order. The terms are those of `docs/GLOSSARY.md`. Nothing in this crate
//! reads a clock, draws a random number of its own, or uses a network: time comes in through [`clock::Clock`],
//! randomness through a generator that the caller seeds.

#[macro_use]
mod named;
#[macro_use]
mod non_zero;

pub mod audit;
pub mod backoff;
pub mod batch;
pub mod buyer;
pub mod checks;
pub mod clock;
pub mod id;
pub mod identity;
pub mod intent;
pub mod ledger;
pub mod lifecycle;
pub mod order;
pub mod outcome;
pub mod payment;
pub mod sale;
pub mod trace;
pub mod verdict;

pub use backoff::Backoff;
pub use batch::{Batch, BatchIds};
pub use buyer::{BuyerDigest, BuyerId, IdempotencyKey, KeyDigest};
pub use clock::{Clock, SystemClock, Timestamp};
pub use flashgate_causes::{causes, sources};
pub use id::{BatchId, Node, OrderId, SaleId, Shard};
pub use identity::{LedgerId, StoreId, StoreIdentity};
pub use intent::{Intent, Quantity};
pub use ledger::{LedgerState, LogStatus, Totals};
pub use lifecycle::{Actor, Cause, InvalidText, OperatorName, OrderEvent, OrderStep, StepEffect};
pub use order::{CancelReason, Order, OrderPage, OrderState};
pub use outcome::{BatchOutcome, Decision, OrderOutcome};
pub use payment::{
    AttemptId, AttemptState, CallbackId, Currency, Money, Payment, PaymentAttempt, Refund, RefundCause,
    RefundId, RefundKey, RefundRetry, RefundState, Unpayable,
};
pub use sale::{DeductPolicy, Restock, RestockDraft, Sale, SaleDraft, SaleFields, SaleState, Window};
pub use trace::TraceContext;
pub use verdict::{Refusal, Verdict};
