//! Clients of the operators' interfaces of both services.
//!
//! | module | subject |
//! |---|---|
//! | [`grpc`] | both sides of an audit over gRPC |

pub mod grpc;

pub use grpc::{Carrier, GatewayLedger, Sides, WorkerBooks};
