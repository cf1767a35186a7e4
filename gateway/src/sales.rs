//! The sales that this gateway knows, and the ledger and order store that hold them.
//!
//! [`catalogue`] holds the sales in memory, each with its [`sold_out_mark`]; [`registry`] reads them from the order
//! worker, [`preheat`] brings them into the ledger. [`belonging`] checks that the ledger and the order store belong
//! together, [`ledger_clock`] shows the time by which the windows are judged. Imports none of the other three
//! folders.

pub mod belonging;
pub mod catalogue;
pub mod ledger_clock;
pub mod preheat;
pub mod registry;
pub mod sold_out_mark;
