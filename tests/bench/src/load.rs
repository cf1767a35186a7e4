//! `flashgate load` as a child process, and what it reports.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, ensure};
use flashgate_domain::SaleId;
use serde::Deserialize;

use crate::{deployment::Places, process};

/// How requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1, one request at a time on a connection.
    Http1,
    /// gRPC, one call a request.
    Grpc,
    /// gRPC, all requests of a connection on one stream.
    GrpcStream,
}

impl Protocol {
    /// As the command line names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Grpc => "grpc",
            Self::GrpcStream => "grpc-stream",
        }
    }
}

/// What to ask for.
#[derive(Clone, Debug)]
pub enum Aim {
    /// `/echo`
    Echo,
    /// Units of these sales, each as often as the others.
    Sales(Vec<SaleId>),
}

/// A load.
#[derive(Clone, Debug)]
pub struct Load {
    /// `http://host:port`, one or several.
    pub targets: Vec<String>,
    /// What for.
    pub aim: Aim,
    /// How.
    pub protocol: Protocol,
    /// Connections.
    pub connections: usize,
    /// Requests at once on each.
    pub in_flight: usize,
    /// Open loop: so many requests a second; else each buyer asks again when it has its answer.
    pub rate: Option<f64>,
    /// How long to send.
    pub time: Option<Duration>,
    /// How many requests to send at most.
    pub requests: Option<u64>,
    /// The share of requests that repeat an earlier one, in percent.
    pub duplicates_percent: u32,
    /// Orders that are followed at a time until they are confirmed.
    pub followed: usize,
}

impl Load {
    /// A closed loop over HTTP/1.1 for some time.
    pub fn closed(target: String, aim: Aim, connections: usize, time: Duration) -> Self {
        Self {
            targets: vec![target],
            aim,
            protocol: Protocol::Http1,
            connections,
            in_flight: 1,
            rate: None,
            time: Some(time),
            requests: None,
            duplicates_percent: 0,
            followed: 0,
        }
    }

    /// Sends it. The reports stay in the folder of the run as `<name>.json` and `<name>.html`.
    pub async fn run(&self, name: &str, places: &Places) -> anyhow::Result<LoadReport> {
        let json = places.work.join("load").join(format!("{name}.json"));
        let words = self.words(&json);
        process::output(&places.binaries.join("flashgate"), &words).await?;
        let report: LoadReport = serde_json::from_slice(&fs::read(&json)?).context("the load's report")?;
        ensure!(report.ended == "done", "the load has ended early: {}", report.ended);
        Ok(report)
    }

    fn words(&self, json: &Path) -> Vec<String> {
        let mut words = vec!["load".to_owned()];
        let mut flag = |name: &str, value: &dyn ToString| {
            words.push(format!("--{name}"));
            words.push(value.to_string());
        };
        flag("target", &self.targets.join(","));
        flag("protocol", &self.protocol.name());
        flag("connections", &self.connections);
        flag("in-flight", &self.in_flight);
        flag("duplicates", &(f64::from(self.duplicates_percent) / 100.0));
        flag("confirm-sample", &self.followed);
        flag("json", &json.display());
        flag("html", &json.with_extension("html").display());
        if let Some(rate) = self.rate {
            flag("rate", &rate);
        }
        if let Some(time) = self.time {
            flag("duration", &format!("{}ms", time.as_millis()));
        }
        if let Some(requests) = self.requests {
            flag("requests", &requests);
        }
        match &self.aim {
            Aim::Echo => words.push("--echo".to_owned()),
            Aim::Sales(sales) => {
                flag("skew", &0);
                sales.iter().for_each(|sale| flag("sale", sale));
            }
        }
        words
    }
}

/// What the load reports, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct LoadReport {
    /// From the first request to the end of the last one.
    pub elapsed_s: f64,
    /// `done`, or why not.
    pub ended: String,
    /// Requests that ended.
    pub requests: u64,
    /// Requests that were due and never sent.
    pub unsent: u64,
    /// By outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Latencies of all answers.
    pub answered_us: Percentiles,
    /// Latencies of new orders.
    pub accepted_us: Percentiles,
    /// From the answer until the order was seen confirmed.
    pub confirmed_us: Option<Percentiles>,
    /// Orders that were followed in vain.
    pub unconfirmed: u64,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Percentiles {
    /// Half of all were quicker.
    pub p50: u64,
    /// 99 of 100 were quicker.
    pub p99: u64,
    /// How many there were.
    pub count: u64,
}

impl LoadReport {
    /// How many had that outcome.
    pub fn outcome(&self, name: &str) -> u64 {
        self.outcomes.get(name).copied().unwrap_or(0)
    }
}
