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
pub enum Protocol {
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
pub enum Pace {
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
pub struct Limits {
    /// A connection that takes longer is given up.
    pub connect_timeout: Duration,
    /// An answer that takes longer is given up.
    pub request_timeout: Duration,
    /// The run ends if requests have only failed for so long.
    pub give_up_after: Duration,
}

/// How buyers and purchases are named: two runs with different seeds have none in common.
#[derive(Clone, Debug)]
pub struct Names {
    run: String,
}

impl Names {
    /// The names of the run with this seed.
    pub fn new(seed: u64) -> Self {
        Self { run: format!("{seed:x}") }
    }

    /// What the number of a buyer is appended to.
    pub fn buyer_prefix(&self) -> String {
        format!("{}-b", self.run)
    }

    /// What the number of a purchase is appended to.
    pub fn key_prefix(&self) -> String {
        format!("{}-k", self.run)
    }
}

/// What a run asks for.
#[derive(Clone, Debug)]
pub enum Aim {
    /// Units of sales, by falling popularity. Never empty.
    Sales(Vec<SaleId>),
    /// An echo at a path, for comparison.
    Echo(String),
}

/// Everything about a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How requests are sent.
    pub protocol: Protocol,
    /// Where to; connections take turns. Never empty.
    pub targets: Vec<Target>,
    /// What for.
    pub aim: Aim,
    /// Units a purchase.
    pub quantity: NonZeroU32,
    /// When.
    pub pace: Pace,
    /// No request is sent later than this after the start.
    pub duration: Option<Duration>,
    /// No more requests than these.
    pub requests_max: Option<u64>,
    /// Who.
    pub crowd: Crowd,
    /// What they are called.
    pub names: Names,
    /// The seed of `crowd` and `names`.
    pub seed: u64,
    /// How many threads send.
    pub threads: NonZeroUsize,
    /// How many connections there are in all.
    pub connections: NonZeroUsize,
    /// How many requests a connection carries at once; 1 with HTTP/1.1.
    pub in_flight: NonZeroUsize,
    /// Further headers of every request (HTTP) or metadata (gRPC).
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long things may take.
    pub limits: Limits,
    /// How many accepted orders are followed at once until they are confirmed.
    pub followers: usize,
}

impl Plan {
    /// The path of each sale.
    pub fn paths(&self) -> Vec<String> {
        match &self.aim {
            Aim::Sales(sales) => sales.iter().map(|sale| format!("/v1/sales/{sale}/orders")).collect(),
            Aim::Echo(path) => vec![path.clone()],
        }
    }

    /// The body of each request.
    pub fn body(&self) -> String {
        format!("{{\"quantity\":{}}}", self.quantity)
    }

    /// Whether the number of an accepted order is needed.
    pub const fn follows_orders(&self) -> bool {
        self.followers > 0
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
