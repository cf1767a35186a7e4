//! The settings of the gateway itself; the rest of a configuration is about its dependencies.

use std::{net::SocketAddr, num::NonZeroU64, time::Duration};

use flashgate_domain::non_zero;
use flashgate_service::{body::BodyLimits, clocks::ClockConfig, listener::ListenerLimits};
use serde::Deserialize;

use super::{BatcherConfig, WorkerConfig};

/// The longest request of a buyer, over HTTP and gRPC: a purchase takes less than 1 KiB.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// The limit of open files that most systems set.
const FILES: usize = 1_024;

/// The settings of a gateway, in a process of its own, in the embedded mode and in simulations: one struct from the
/// configuration to the places of use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: ListenConfig,
    /// How buyers prove who they are.
    pub auth: AuthConfig,
    /// How intents become batches.
    pub batcher: BatcherConfig,
    /// How often the live sales are read again, besides at every event.
    pub refresh: Duration,
    /// How far the clock may be from the ledger's and the broker's before the gateway is not ready.
    pub clock_difference_max: Duration,
    /// Maximum of open files: each connection is one.
    pub files: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: ListenConfig::default(),
            auth: AuthConfig::default(),
            batcher: BatcherConfig::default(),
            refresh: WorkerConfig::default().refresh(),
            clock_difference_max: ClockConfig::default().difference_max(),
            files: FILES,
        }
    }
}

/// Where the gateway listens. Loopback unless told otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// HTTP for buyers.
    pub http: SocketAddr,
    /// gRPC for buyers.
    pub grpc: SocketAddr,
    /// Metrics and health, for operators.
    pub operator: SocketAddr,
    /// How long the body of a request may take to arrive; streams of requests may take as long as they like. 5 s:
    /// the longest body fits into a dozen packets.
    pub body_timeout_ms: NonZeroU64,
    /// The limits of each of the three.
    pub limits: ListenerLimits,
}

impl Default for ListenConfig {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            http: loopback(7001),
            grpc: loopback(7002),
            operator: loopback(7003),
            body_timeout_ms: non_zero!(5_000),
            limits: ListenerLimits::default(),
        }
    }
}

impl ListenConfig {
    /// What may be read of a buyer's request.
    pub const fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes_max: BODY_BYTES_MAX, time_max: self.body_timeout() }
    }

    /// How long the body of a request may take to arrive.
    pub const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms.get())
    }
}

/// How buyers prove who they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// `trusted-header`: the header `X-Buyer-Id` is believed.
    pub mode: AuthMode,
}

/// How buyers prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMode {
    /// The header `X-Buyer-Id` is believed. Only behind a proxy that sets it and strips what came from outside.
    #[default]
    TrustedHeader,
}
