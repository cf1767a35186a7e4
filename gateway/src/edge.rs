//! The interfaces: decodes requests, authenticates buyers, encodes answers. Decides nothing.
//!
//! [`http`] and [`grpc`] serve buyers, [`operator`] serves operators, [`api`] is what the first two share, [`auth`]
//! finds the buyer of a request, and [`openapi`] describes [`http`]. May import the other three folders; none of them
//! imports this one, and no statement here refers to a queue, a batch or a broker.

pub mod api;
pub mod auth;
pub mod grpc;
pub mod http;
pub mod openapi;
pub mod operator;
mod trace;
