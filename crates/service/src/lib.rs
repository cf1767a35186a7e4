//! The start-up and the interfaces that both services share.
//!
//! | module | subject |
//! |---|---|
//! | [`config`] | one TOML file and the environment, parsed once |
//! | [`cli`] | the sub-commands that every program has |
//! | [`telemetry`], [`metrics`] | logs; the metrics of a program |
//! | [`throttle`] | at most one log line per second and kind |
//! | [`shutdown`], [`clocks`] | signals as a token; clocks of the servers |
//! | [`files`], [`memory`] | the open-file limit; the size of memory pages |
//! | [`listener`] | HTTP with its timeouts |
//! | [`error`] | the one table from outcomes to HTTP and gRPC |
//! | [`problem`], [`status`], [`openapi`] | errors as problem documents, as gRPC statuses, and in OpenAPI documents |
//! | [`fields`], [`order_page`] | fields that requests of both services have; the page of a list of orders |
//! | [`body`], [`integers`], [`messages`] | bodies, the numbers in them, and gRPC messages within the same limits |

pub mod body;
pub mod cli;
pub mod clocks;
pub mod config;
pub mod error;
pub mod fields;
pub mod files;
pub mod integers;
pub mod listener;
pub mod memory;
pub mod messages;
pub mod metrics;
pub mod openapi;
pub mod order_page;
pub mod problem;
pub mod shutdown;
pub mod status;
pub mod telemetry;
pub mod throttle;
