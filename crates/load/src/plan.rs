//! A load test, parsed and valid.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use clap::ValueEnum;
use flashgate_domain::SaleId;
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::{crowd::Crowd, schedule::Schedule, target::Target};

/// How requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Protocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2 without TLS
    Http2,
    /// gRPC, one call a request
    Grpc,
    /// gRPC, all requests of a connection on one stream
    GrpcStream,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// Closed loop: every connection sends again when it has its answer. Connections start spread over the ramp.
    Closed {
        /// When the last connection starts.
        ramp: Duration,
    },
    /// Open loop: at scheduled moments, whether or not answers arrive.
    Open(Schedule),
}

/// The timeouts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Timeout of a connection attempt.
    pub(super) connect_timeout: Duration,
    /// Timeout of an answer.
    pub(super) request_timeout: Duration,
    /// The run ends if requests have only failed for this time.
    pub(super) give_up_after: Duration,
}

/// The names of buyers and purchases: two runs with different seeds share none.
#[derive(Clone, Debug)]
pub(super) struct Names {
    run: String,
}

impl Names {
    /// The names of the run with this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { run: format!("{seed:x}") }
    }

    /// The prefix of a buyer's number.
    pub(super) fn buyer_prefix(&self) -> String {
        format!("{}-b", self.run)
    }

    /// The prefix of a purchase's number.
    pub(super) fn key_prefix(&self) -> String {
        format!("{}-k", self.run)
    }

    /// The buyer with this number.
    pub(super) fn buyer(&self, number: u64) -> String {
        format!("{}-b{number}", self.run)
    }

    /// The idempotency key of the purchase with this number.
    pub(super) fn key(&self, number: u64) -> String {
        format!("{}-k{number}", self.run)
    }
}

/// The target of a run.
#[derive(Clone, Debug)]
pub(super) enum Aim {
    /// Units of sales, by falling popularity. Never empty.
    Sales(Vec<SaleId>),
    /// An echo at a path, for comparison.
    Echo(String),
}

/// All parameters of a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The protocol.
    pub(super) protocol: Protocol,
    /// The servers; connections use them in turn. Never empty.
    pub(super) targets: Vec<Target>,
    /// The sales, or the echo.
    pub(super) aim: Aim,
    /// Units per purchase.
    pub(super) quantity: NonZeroU32,
    /// The timing of requests.
    pub(super) pace: Pace,
    /// Maximum time after the start at which a request is sent.
    pub(super) duration: Option<Duration>,
    /// Maximum number of requests.
    pub(super) requests_max: Option<u64>,
    /// The buyers.
    pub(super) crowd: Crowd,
    /// The names of buyers and purchases.
    pub(super) names: Names,
    /// The seed of `crowd` and `names`.
    pub(super) seed: u64,
    /// The number of sending threads.
    pub(super) threads: NonZeroUsize,
    /// The total number of connections.
    pub(super) connections: NonZeroUsize,
    /// Maximum requests in flight on a connection; 1 with HTTP/1.1.
    pub(super) in_flight: NonZeroUsize,
    /// Additional headers of every request (HTTP) or metadata (gRPC).
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The timeouts.
    pub(super) limits: Limits,
    /// Maximum accepted orders that are followed at once until they are confirmed.
    pub(super) followers: usize,
    /// Whether the number of every accepted order is kept.
    pub(super) keeps_receipts: bool,
}

impl Plan {
    /// The path of each sale.
    pub(super) fn paths(&self) -> Vec<String> {
        match &self.aim {
            Aim::Sales(sales) => sales.iter().map(|sale| format!("/v1/sales/{sale}/orders")).collect(),
            Aim::Echo(path) => vec![path.clone()],
        }
    }

    /// The body of each request.
    pub(super) fn body(&self) -> String {
        format!("{{\"quantity\":{}}}", self.quantity)
    }

    /// Whether the numbers of orders are needed.
    pub(super) const fn needs_orders(&self) -> bool {
        self.followers > 0 || self.keeps_receipts
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Grpc => "gRPC",
            Self::GrpcStream => "gRPC stream",
        })
    }
}
