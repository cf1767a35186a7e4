//! The flags of `flashgate load`, and the rules that span several flags.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use flashgate_domain::{Clock, SaleId, SystemClock, intent::QUANTITY_MAX};
use flashgate_output::{
    exit::CliError,
    number::{self, whole},
    time,
};
use http::{HeaderName, HeaderValue};

use super::{
    crowd::Crowd,
    plan::{Aim, Limits, Names, Pace, Plan, Protocol},
    schedule::{Release, Schedule},
    target::Target,
};

/// Maximum connections: more than one host has ports for.
const CONNECTIONS_MAX: u64 = 1_000_000;
/// Maximum streams: more than servers accept on a connection.
const IN_FLIGHT_MAX: u64 = 1_000_000;
/// Maximum threads: more than any host has processors.
const THREADS_MAX: u64 = 4_096;

/// Load-tests a gateway and measures its answers.
///
/// Closed loop (no --rate, no --release-at): each connection sends its next request after the answer. Open loop:
/// requests are due at set moments, whether or not the server keeps up, and latency counts from the moment at
/// which a request was due: a server that stalls cannot hide it.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// http://HOST:PORT of a gateway. Several: connections take turns [default: http://127.0.0.1:7001 for HTTP,
    /// http://127.0.0.1:7002 for gRPC]
    #[arg(short, long = "target", value_name = "URL", env = "FLASHGATE_TARGET", value_delimiter = ',')]
    pub(super) targets: Vec<Target>,
    /// A sale to buy from. Several: the most popular first (see --skew)
    #[arg(short, long = "sale", value_name = "ID", required_unless_present = "echo")]
    pub(super) sales: Vec<SaleId>,
    /// Send the same requests to a bare echo at PATH instead, to measure the load generator itself
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "/echo", conflicts_with = "sales")]
    pub(super) echo: Option<String>,
    /// Protocol of the requests
    #[arg(short, long, value_enum, default_value = "http1")]
    pub(super) protocol: Protocol,
    /// Total number of connections
    #[arg(short, long, value_name = "N", default_value = "64", value_parser = whole::<NonZeroUsize>(1, CONNECTIONS_MAX))]
    pub(super) connections: NonZeroUsize,
    /// Concurrent requests per connection; needs --protocol http2, grpc or grpc-stream
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole::<NonZeroUsize>(1, IN_FLIGHT_MAX))]
    pub(super) in_flight: NonZeroUsize,
    /// Open loop: total requests per second
    #[arg(short, long, value_name = "PER_SECOND", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// Duration, such as 30s or 2m [default: 10s, unless --requests or only --release-at is given]
    #[arg(short, long, value_name = "TIME", value_parser = time::parse)]
    pub(super) duration: Option<Duration>,
    /// Maximum number of requests
    #[arg(short = 'n', long, value_name = "N", value_parser = whole::<NonZeroU64>(1, u64::MAX))]
    pub(super) requests: Option<NonZeroU64>,
    /// Reach the rate, or the number of connections, within this time
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time::parse)]
    pub(super) ramp: Duration,
    /// Time after the start at which all buyers send at once; needs --buyers
    #[arg(long, value_name = "TIME", value_parser = time::parse, requires = "buyers")]
    pub(super) release_at: Option<Duration>,
    /// Number of buyers, used in turn [default: every purchase is by a new one]
    #[arg(short, long, value_name = "N", value_parser = whole::<NonZeroU64>(1, u64::MAX))]
    pub(super) buyers: Option<NonZeroU64>,
    /// Share of requests that repeat a recent purchase, with the same key: 0 to 0.9
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(super) duplicates: f64,
    /// Units per purchase
    #[arg(short, long, value_name = "UNITS", default_value = "1", value_parser = quantity)]
    pub(super) quantity: NonZeroU32,
    /// Skew of the load over several sales: sale number I in proportion to 1 / I^SKEW; 0 is evenly
    #[arg(long, value_name = "SKEW", default_value = "1", value_parser = skew)]
    pub(super) skew: f64,
    /// Additional header of every request, `Name: value`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Follow up to N accepted orders at a time until they are confirmed, and measure how long that takes
    #[arg(long, value_name = "N", default_value = "0", value_parser = whole::<usize>(0, CONNECTIONS_MAX))]
    pub(super) confirm_sample: usize,
    /// Sending threads
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole::<NonZeroUsize>(1, THREADS_MAX))]
    pub(super) threads: NonZeroUsize,
    /// Connection timeout
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time::parse)]
    pub(super) connect_timeout: Duration,
    /// Answer timeout
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time::parse)]
    pub(super) request_timeout: Duration,
    /// Abort after this time with failures only
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time::parse)]
    pub(super) give_up_after: Duration,
    /// Seed of buyers, purchases, duplicates and sales: the same seed repeats a run [default: a new one]
    #[arg(long, value_name = "N", value_parser = number::any::<u64>)]
    pub(super) seed: Option<u64>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write a report with charts: a single self-contained HTML file
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

impl LoadArgs {
    /// The plan, or an error about the invalid flag.
    pub(super) fn plan(&self) -> Result<Plan, CliError> {
        if self.protocol == Protocol::Http1 && self.in_flight.get() > 1 {
            return Err(CliError::flag(
                "--in-flight",
                "must be 1 with --protocol http1: use more --connections",
            ));
        }
        if self.threads > self.connections {
            return Err(CliError::flag("--threads", "must be at most --connections"));
        }
        if self.echo.is_some() && matches!(self.protocol, Protocol::Grpc | Protocol::GrpcStream) {
            return Err(CliError::flag("--echo", "needs --protocol http1 or http2"));
        }
        let aim = match &self.echo {
            Some(path) if path.starts_with('/') => Aim::Echo(path.clone()),
            Some(_) => return Err(CliError::flag("--echo", "must be a path that begins with /")),
            None => Aim::Sales(self.sales.clone()),
        };
        let seed = self.seed.unwrap_or_else(new_seed);
        Ok(Plan {
            protocol: self.protocol,
            targets: self.targets_or_default()?,
            crowd: Crowd::new(
                seed,
                self.buyers.map(NonZeroU64::get),
                self.duplicates,
                self.sales.len().max(1),
                self.skew,
            ),
            aim,
            quantity: self.quantity,
            pace: self.pace(),
            duration: self.duration_or_default(),
            requests_max: self.requests.map(NonZeroU64::get),
            names: Names::new(seed),
            seed,
            threads: self.threads,
            connections: self.connections,
            in_flight: self.in_flight,
            headers: self.headers.clone(),
            limits: Limits {
                connect_timeout: self.connect_timeout,
                request_timeout: self.request_timeout,
                give_up_after: self.give_up_after,
            },
            followers: self.confirm_sample,
            keeps_receipts: false,
        })
    }

    fn pace(&self) -> Pace {
        let release = self.release_at.zip(self.buyers);
        let release = release.map(|(at, buyers)| Release { at, requests: buyers.get() });
        if self.rate.is_none() && release.is_none() {
            return Pace::Closed { ramp: self.ramp };
        }
        Pace::Open(Schedule::new(self.rate, self.ramp, release))
    }

    /// The duration; a run without an end of its own gets a default.
    fn duration_or_default(&self) -> Option<Duration> {
        let ends = self.requests.is_some() || (self.release_at.is_some() && self.rate.is_none());
        self.duration.or((!ends).then_some(Duration::from_secs(10)))
    }

    fn targets_or_default(&self) -> Result<Vec<Target>, CliError> {
        if !self.targets.is_empty() {
            return Ok(self.targets.clone());
        }
        let default = match self.protocol {
            Protocol::Http1 | Protocol::Http2 => "http://127.0.0.1:7001",
            Protocol::Grpc | Protocol::GrpcStream => "http://127.0.0.1:7002",
        };
        Ok(vec![default.parse().map_err(|expected| CliError::flag("--target", expected))?])
    }
}

/// Differs from run to run: used only for names.
fn new_seed() -> u64 {
    SystemClock.now().as_millis() << 20 | u64::from(std::process::id())
}

fn decimal(text: &str, low: f64, high: f64, expected: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| expected.to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    decimal(text, 0.001, 10_000_000.0, "must be a number from 0.001 to 10,000,000")
}

fn share(text: &str) -> Result<f64, String> {
    decimal(text, 0.0, 0.9, "must be a number from 0 to 0.9")
}

fn skew(text: &str) -> Result<f64, String> {
    decimal(text, 0.0, 10.0, "must be a number from 0 to 10")
}

fn quantity(text: &str) -> Result<NonZeroU32, String> {
    let quantity: Option<NonZeroU32> = text.parse().ok();
    let quantity = quantity.filter(|quantity| quantity.get() <= QUANTITY_MAX);
    quantity.ok_or_else(|| format!("must be a whole number from 1 to {QUANTITY_MAX}"))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = text.split_once(':').and_then(|(name, value)| {
        Some((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
    });
    parsed.ok_or_else(|| "must be `Name: value`".to_owned())
}
