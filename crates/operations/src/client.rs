//! Clients of the operators' interfaces of both services.
//!
//! | module | subject |
//! |---|---|
//! | [`connection`] | a connection to a server that is verified to be the expected one |
//! | [`port`] | the ports of flashgate, and which one answers at an address |
//! | [`sales`] | sales and orders |
//! | [`dead_letters`] | dead letters |
//! | [`grpc`] | both sides of an audit |
//! | [`error`] | why a call failed |

pub mod connection;
pub mod dead_letters;
pub mod error;
pub mod grpc;
pub mod port;
pub mod sales;

pub use connection::connect;
pub use dead_letters::DeadLettersClient;
pub use error::{ClientError, Refusal};
pub use grpc::{Carrier, GatewayLedger, Sides, WorkerStore};
pub use port::Port;
pub use sales::{OrdersClient, SalesClient};
