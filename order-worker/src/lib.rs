//! The order worker: takes committed batches from the broker, places their orders in the order store, publishes
//! the outcomes, and serves operators.
//!
//! It touches the order store and the broker, never the ledger. [`consume`] is the life of a chunk; [`store`]
//! is the boundary to the database and [`mysql`] stands behind it; [`decide`] says who gets the units;
//! [`operator`] is what operators and gateways call; [`app`] puts it all together.

pub mod app;
pub mod backoff;
pub mod cli;
pub mod config;
pub mod consume;
#[cfg(feature = "contract")]
pub mod contract;
pub mod decide;
pub mod health;
pub mod mysql;
pub mod operator;
pub mod store;
