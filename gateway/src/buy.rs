//! One purchase, from the decoded request to its verdict.
//!
//! [`purchase`] decides what memory can decide, [`batcher`] puts the rest into the bounded [`queue`] of its shard, a
//! [`lane`] takes groups from the queue and [`screen`] decides whether a group is screened first, [`transaction`] is
//! the half-message, the deduction and the commit of a batch. [`sold_out`] detects sales without available units;
//! [`orders`] looks up the order of a purchase. May import `sales`.

pub mod batcher;
pub mod lane;
pub mod orders;
pub mod purchase;
pub mod queue;
pub mod screen;
pub mod sold_out;
pub mod transaction;
