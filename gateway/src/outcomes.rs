//! The handling of batches after their buyers were answered.
//!
//! [`check_back`] answers the broker for half-messages without a verdict, [`settle`] records the decisions of the
//! order store in the ledger, [`returns`] returns the units of orders that were cancelled later; both are the [`member::Work`] of a
//! [`member`] of a group, and [`lag`] measures how much of it is left. [`ledger_events`] reads what other gateways settled, and [`redrive`] resends a batch from its log entry. May import `buy` (the sold-out watch)
//! and `sales`.

pub mod check_back;
pub mod lag;
pub mod ledger_events;
pub mod member;
pub mod redrive;
pub mod returns;
pub mod settle;
