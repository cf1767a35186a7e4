//! The handling of batches after their buyers were answered.
//!
//! [`check_back`] answers the broker for half-messages without a verdict, [`settle`] records the decisions of the
//! order store in the ledger, [`outcomes_lag`] measures how many outcomes are left, [`ledger_events`] reads what
//! other gateways settled, and [`redrive`] resends a batch from its log entry. May import `buy` (the sold-out watch)
//! and `sales`.

pub mod check_back;
pub mod ledger_events;
pub mod outcomes_lag;
pub mod redrive;
pub mod settle;
