//! The embedded broker, driven by the clients of `flashgate-messaging`.

mod contract;
mod restart;
