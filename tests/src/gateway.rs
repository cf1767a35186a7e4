//! A gateway as a process.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use flashgate_domain::BatchId;
use http::StatusCode;
use serde::Deserialize;

use crate::{
    door::{self, Door},
    eventually::eventually,
    metrics::Metrics,
    ports::free_address,
    process::{FAILPOINT_VARIABLE, LOSE_COMMITS_VARIABLE, Process, binary},
};

/// How long a process may take until it is ready, on a machine that compiles beside it.
pub(crate) const READY_TIME: Duration = Duration::from_secs(30);

/// A gateway: its process and its addresses, which stay the same over restarts.
#[derive(Debug)]
pub struct Gateway {
    /// The process.
    pub process: Process,
    http: SocketAddr,
    grpc: SocketAddr,
    operator: SocketAddr,
    door: Door,
    settings: Vec<(String, String)>,
}

/// Where a gateway finds the rest of its deployment.
pub(crate) struct GatewayPlan<'a> {
    pub(crate) name: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) redis_url: &'a str,
    pub(crate) shards: u16,
    pub(crate) name_server: &'a str,
    pub(crate) worker: SocketAddr,
    pub(crate) settings: &'a [(String, String)],
}

/// A check-back that a gateway answered, as its log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnsweredCheckBack {
    /// Whose fate was asked for.
    pub batch: BatchId,
    /// Whether the answer was `commit`; else it was `rollback`.
    pub committed: bool,
}

impl Gateway {
    /// Writes the configuration; starts nothing.
    pub(crate) fn new(plan: &GatewayPlan<'_>, folder: &Path) -> Self {
        let [http, grpc, operator] = [(); 3].map(|()| free_address());
        let GatewayPlan { name, prefix, redis_url, shards, name_server, worker, settings } = plan;
        let config = format!(
            r#"
[listen]
http = "{http}"
grpc = "{grpc}"
operator = "{operator}"

[redis]
urls = ["{redis_url}"]
prefix = "{prefix}"
shards = {shards}

[rocketmq]
name_servers = ["{name_server}"]
prefix = "{prefix}"
rebalance_interval_ms = 500

[worker]
url = "http://{worker}"
refresh_interval_ms = 500

[log]
format = "json"
"#
        );
        let file = folder.join(format!("{name}.toml"));
        fs::write(&file, config).unwrap();
        let arguments = ["serve".to_owned(), "--config".to_owned(), file.display().to_string()];
        let process = Process::new(name, binary("gateway"), arguments.to_vec(), folder);
        let door = Door::new(http, grpc);
        Self { process, http, grpc, operator, door, settings: settings.to_vec() }
    }

    /// A setting for its next starts: `redis.prefix`.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        let variable = format!("FLASHGATE_GATEWAY__{}", key.to_uppercase().replace('.', "__"));
        self.settings.push((variable, value.to_string()));
    }

    /// Starts it; [`Gateway::ready`] waits until it sells.
    pub fn start(&mut self) {
        self.process.start(&self.settings);
    }

    /// Starts it so that it dies at the failpoint: `gateway_after_deduct`, or `gateway_after_deduct:7` for the
    /// seventh time it comes there.
    pub fn start_armed(&mut self, failpoint: &str) {
        self.start_with(&[(FAILPOINT_VARIABLE.to_owned(), failpoint.to_owned())]);
    }

    /// Starts it so that every `nth` commit never leaves it.
    pub fn start_losing_commits(&mut self, nth: u32) {
        self.start_with(&[(LOSE_COMMITS_VARIABLE.to_owned(), nth.to_string())]);
    }

    /// Starts it with `variables` as well.
    pub fn start_with(&mut self, variables: &[(String, String)]) {
        self.process.start(&[&self.settings, variables].concat());
    }

    /// Waits until it says that it can sell.
    ///
    /// # Panics
    /// If it does not within half a minute, or ends.
    pub async fn ready(&mut self) {
        until_ready(&mut self.process, self.operator).await;
    }

    /// Buyers' way in.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Where it serves HTTP to buyers.
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where it serves gRPC to buyers.
    pub const fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where it serves metrics and health.
    pub const fn operator(&self) -> SocketAddr {
        self.operator
    }

    /// Its metrics now: since its last start.
    pub async fn metrics(&self) -> Metrics {
        Metrics::of(self.operator).await
    }

    /// The node number of its latest start: the one in the ids of its batches.
    ///
    /// # Panics
    /// If it was never up.
    pub fn node(&self) -> u16 {
        let mut starts = self.log_lines().into_iter().filter_map(|line| line.fields.node);
        starts.next_back().expect("the gateway was up")
    }

    /// Every check-back that it answered with a verdict, over all of its starts.
    pub fn check_backs(&self) -> Vec<AnsweredCheckBack> {
        let lines = self.log_lines().into_iter().filter(|line| line.fields.message == "check-back");
        let answered = lines.filter_map(|line| {
            let committed = match line.fields.verdict?.as_str() {
                "commit" => true,
                "rollback" => false,
                _unknown => return None,
            };
            Some(AnsweredCheckBack { batch: line.fields.batch_id?.parse().ok()?, committed })
        });
        answered.collect()
    }

    fn log_lines(&self) -> Vec<LogLine> {
        let log = self.process.log();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// A line of a log in JSON, as far as it matters here.
#[derive(Deserialize)]
struct LogLine {
    fields: LogFields,
}

#[derive(Deserialize)]
struct LogFields {
    #[serde(default)]
    message: String,
    node: Option<u16>,
    batch_id: Option<String>,
    verdict: Option<String>,
}

/// The node number in the id of a batch: the 7 bits above the index.
pub fn node_of(batch: BatchId) -> u16 {
    u16::try_from((batch.base().get() >> 10) & 0x7f).unwrap_or(0)
}

pub(crate) async fn until_ready(process: &mut Process, operator: SocketAddr) {
    let what = format!("{} is ready", process.name());
    eventually(&what, READY_TIME, async || {
        assert!(process.is_running(), "{} ended:\n{}", process.name(), process.log_tail());
        match door::get(operator, "/healthz/ready").await {
            Ok(response) if response.status() == StatusCode::OK => Ok(()),
            Ok(response) => Err(format!("{response:?}")),
            Err(why) => Err(why),
        }
    })
    .await;
}
