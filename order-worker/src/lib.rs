//! The order worker: takes committed batches from the broker, places their orders in the order store, publishes
//! the outcomes, and serves operators.
//!
//! It touches the order store and the broker, never the ledger. [`consume`] is the life of a chunk; [`store`]
//! is the boundary to the database, and [`mysql`] stands behind it, or `sqlite` in the embedded mode; [`decide`]
//! says who gets the units; [`operator`] is what operators and gateways call; [`engine`] puts a worker together
//! from the parts that it is given, and [`app`] is the process of its own.

pub mod app;
mod auditor;
pub mod backoff;
pub mod cli;
mod columns;
pub mod config;
pub mod consume;
#[cfg(feature = "contract")]
pub mod contract;
mod dead_letter;
pub mod decide;
pub mod engine;
pub mod health;
pub mod metrics;
pub mod mysql;
pub mod openapi;
pub mod operator;
mod portable_sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod statement;
pub mod store;
mod summing;
mod triage;
