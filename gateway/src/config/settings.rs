//! The settings of the gateway itself; the rest of a configuration concerns its dependencies.

use std::{net::SocketAddr, num::NonZeroU64, time::Duration};

use flashgate_domain::non_zero;
use flashgate_service::{body::BodyLimits, clocks::ClockConfig, listener::ListenerLimits};
use serde::Deserialize;

use super::{BatcherConfig, WorkerConfig};

/// Maximum bytes of a buyer's request, over HTTP and gRPC: a purchase takes less than 1 KiB.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// The open-file limit of most systems.
const FILES: usize = 1_024;

/// The settings of a gateway, in a process of its own, in the embedded mode and in simulations: one struct from the
/// configuration to the places of use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Listener addresses and limits.
    pub listen: ListenConfig,
    /// Authentication of buyers.
    pub auth: AuthConfig,
    /// Batching of intents.
    pub batcher: BatcherConfig,
    /// Refresh interval of live sales, besides at every event.
    pub refresh: Duration,
    /// Maximum clock difference from the ledger and the broker; beyond it the gateway is not ready.
    pub clock_difference_max: Duration,
    /// Open-file limit: each connection takes one file.
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

/// Listener addresses and limits. Loopback by default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// HTTP for buyers.
    pub http: SocketAddr,
    /// gRPC for buyers.
    pub grpc: SocketAddr,
    /// Metrics and health, for operators.
    pub operator: SocketAddr,
    /// Timeout for the body of a request; streams of requests have none. 5 s: the longest body fits into a dozen
    /// packets.
    pub body_timeout_ms: NonZeroU64,
    /// The limits of each listener.
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
    /// The limits on the body of a buyer's request.
    pub const fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes_max: BODY_BYTES_MAX, time_max: self.body_timeout() }
    }

    /// Timeout for the body of a request.
    pub const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms.get())
    }
}

/// Authentication of buyers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// `trusted-header`: the header `X-Buyer-Id` is trusted.
    pub mode: AuthMode,
}

/// How a buyer is authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMode {
    /// The header `X-Buyer-Id` is trusted. Only behind a proxy that sets the header and strips it from outside
    /// requests.
    #[default]
    TrustedHeader,
}
