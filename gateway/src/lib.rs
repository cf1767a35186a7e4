//! The gateway: answers buyers in milliseconds, and never touches the database.
//!
//! | module | subject |
//! |---|---|
//! | [`edge`] | the interfaces: HTTP and gRPC for buyers, gRPC and health for operators |
//! | [`buy`] | one purchase: decide, batch, half-message, deduct, commit |
//! | [`sales`] | the sales, and the ledger and order store that hold them |
//! | [`outcomes`] | check-back, settlement, ledger events, redrive |
//! | [`cli`], [`config`] | command line and configuration |
//! | [`app`], [`engine`] | the wiring: sockets and listeners; everything behind them |
//! | [`readiness`], [`metrics`] | whether the gateway can sell; the metrics that it exports |
//!
//! The life of a purchase: [`edge::http`] or [`edge::grpc`] decodes it, [`buy::purchase`] decides what can be decided
//! here, [`buy::batcher`] groups the rest, and a [`buy::lane`] carries each group through the half-message, the
//! deduction and the commit. [`outcomes::check_back`] answers the broker for any gateway; [`outcomes::settle`]
//! records the outcomes.
//!
//! Arrows point inward: `edge` imports `outcomes`, `buy` and `sales`, `outcomes` imports `buy` and `sales`, `buy`
//! imports `sales`, and [`config`] imports nothing of this crate.

pub mod app;
pub mod buy;
pub mod cli;
pub mod config;
pub mod edge;
pub mod engine;
pub mod metrics;
pub mod outcomes;
pub mod readiness;
pub mod sales;
