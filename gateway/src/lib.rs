//! The gateway: answers buyers in milliseconds, and never touches the database.
//!
//! The life of a buy: [`http`] or [`grpc`] decodes it, [`purchase`] decides what can be decided here,
//! [`batcher`] groups what is left, and one [`lane`] carries each group through the half-message, the deduction
//! and the commit. [`check_back`] answers the broker for any gateway; [`settle`] takes the outcomes home.

pub mod app;
pub mod auth;
pub mod batcher;
pub mod belonging;
pub mod catalogue;
pub mod check_back;
pub mod cli;
pub mod config;
pub mod engine;
pub mod grpc;
pub mod http;
pub mod lane;
pub mod ledger_clock;
pub mod metrics;
pub mod openapi;
pub mod operator;
pub mod orders;
pub mod outcomes_lag;
pub mod preheat;
pub mod purchase;
pub mod queue;
pub mod readiness;
pub mod redrive;
pub mod registry;
pub mod screen;
pub mod settle;
pub mod sold_out;
pub mod transaction;
