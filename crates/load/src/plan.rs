//! A load test, parsed: nothing in it can be wrong any more.

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
    /// Closed loop: every connection sends again when it has its answer. They begin spread over the ramp.
    Closed {
        /// When the last connection begins.
        ramp: Duration,
    },
    /// Open loop: at set moments, whether or not answers come.
    Open(Schedule),
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// A connection that takes longer is given up.
    pub(super) connect_timeout: Duration,
    /// An answer that takes longer is given up.
    pub(super) request_timeout: Duration,
    /// The run ends if requests have only failed for so long.
    pub(super) give_up_after: Duration,
}

/// How buyers and purchases are named: two runs with different seeds have none in common.
#[derive(Clone, Debug)]
pub(super) struct Names {
    run: String,
}

impl Names {
    /// The names of the run with this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { run: format!("{seed:x}") }
    }

    /// What the number of a buyer is appended to.
    pub(super) fn buyer_prefix(&self) -> String {
        format!("{}-b", self.run)
    }

    /// What the number of a purchase is appended to.
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

/// What a run asks for.
#[derive(Clone, Debug)]
pub(super) enum Aim {
    /// Units of sales, by falling popularity. Never empty.
    Sales(Vec<SaleId>),
    /// An echo at a path, for comparison.
    Echo(String),
}

/// Everything about a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How requests are sent.
    pub(super) protocol: Protocol,
    /// Where to; connections take turns. Never empty.
    pub(super) targets: Vec<Target>,
    /// What for.
    pub(super) aim: Aim,
    /// Units a purchase.
    pub(super) quantity: NonZeroU32,
    /// When.
    pub(super) pace: Pace,
    /// No request is sent later than this after the start.
    pub(super) duration: Option<Duration>,
    /// No more requests than these.
    pub(super) requests_max: Option<u64>,
    /// Who.
    pub(super) crowd: Crowd,
    /// What they are called.
    pub(super) names: Names,
    /// The seed of `crowd` and `names`.
    pub(super) seed: u64,
    /// How many threads send.
    pub(super) threads: NonZeroUsize,
    /// How many connections there are in all.
    pub(super) connections: NonZeroUsize,
    /// How many requests a connection carries at once; 1 with HTTP/1.1.
    pub(super) in_flight: NonZeroUsize,
    /// Further headers of every request (HTTP) or metadata (gRPC).
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// How long things may take.
    pub(super) limits: Limits,
    /// How many accepted orders are followed at once until they are confirmed.
    pub(super) followers: usize,
    /// Whether the number of every order that a buyer heard is kept.
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
