//! Repairs of audit findings.
//!
//! | module | subject |
//! |---|---|
//! | [`mod@redrive`] | open batches that are too old: settle or decide them |
//! | [`drift`] | a difference that no open batch explains: compensate it under traffic |
//! | [`record`] | the record of a repair in the order store |
//! | [`rebuild`] | the ledger of a paused sale: rebuild it from the orders |

pub mod drift;
pub mod rebuild;
pub mod record;
pub mod redrive;

pub use drift::Drift;
pub use rebuild::Rebuild;
pub use record::{Draft, Record, recorded};
pub use redrive::{Stuck, redrive};
