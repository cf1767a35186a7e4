//! What both services share at their start and at their edges.
//!
//! [`config`] parses a file and the environment once; [`telemetry`] sets up logs and metrics, [`metrics`] is how a
//! program tells what it measures; [`shutdown`] turns signals into a token; [`files`] divides the files that a process
//! may open; [`listener`] serves HTTP with its time-outs; [`error`] is the one table from outcomes to HTTP and gRPC;
//! [`clocks`] compares the clocks of the servers; [`throttle`] keeps log lines few; [`cli`] has the sub-commands of every program;
//! [`body`] reads bodies, [`integers`] their numbers; [`messages`] makes gRPC keep to the same limits and the same table.

pub mod body;
pub mod cli;
pub mod clocks;
pub mod config;
pub mod error;
pub mod files;
pub mod integers;
pub mod listener;
pub mod messages;
pub mod metrics;
pub mod openapi;
pub mod problem;
pub mod shutdown;
pub mod status;
pub mod telemetry;
pub mod throttle;

/// The former names, for callers that are not renamed yet.
pub mod answer {
    pub use crate::error::ApiError as Failure;
}
