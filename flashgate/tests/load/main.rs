//! `flashgate load` against servers whose answers are known.

mod grpc;
mod http;
mod purchases;
mod run;
mod server;
