//! The order worker: takes committed batches from the broker, places their orders in the order store, publishes
//! the outcomes, and serves operators.
//!
//! It touches the order store, the broker and the payment provider, never the ledger.
//!
//! | module | subject |
//! |---|---|
//! | [`consume`] | the life of a chunk: taken, placed, published, acknowledged |
//! | [`lifecycle`] | the transitions of orders after they were placed, and the publication of their events |
//! | [`payments`] | attempts to pay orders, callbacks of the payment provider, refunds |
//! | [`operator`] | the interface for operators and gateways |
//! | `auditor` | the background audit |
//! | [`health`] | whether the worker is ready, and why not |
//! | [`stores`] | the one place where the order store is chosen |
//! | [`engine`] | a worker on given dependencies: also that of the embedded mode |
//! | [`app`] | the process of its own: waits for its dependencies behind the open port |
//! | [`config`], [`cli`], [`metrics`], [`openapi`] | its interfaces to people |

pub mod app;
mod auditor;
pub mod cli;
pub mod config;
pub mod consume;
mod dead_letter;
pub mod engine;
pub mod health;
pub mod lifecycle;
pub mod metrics;
pub mod openapi;
pub mod operator;
pub mod payments;
pub mod stores;
