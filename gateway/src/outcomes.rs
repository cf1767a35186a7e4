//! What becomes of batches after their buyers were answered.
//!
//! [`check_back`] answers the broker for half-messages without a verdict, [`settle`] records in the ledger what the order
//! store decided, [`outcomes_lag`] measures how much of that is left, [`ledger_events`] reads what other gateways settled, and
//! [`redrive`] sends a batch again from its log entry. May import `buy` (the sold-out watch) and `sales`.

pub mod check_back;
pub mod ledger_events;
pub mod outcomes_lag;
pub mod redrive;
pub mod settle;
