//! An order worker as a process.

use std::{fs, net::SocketAddr, path::Path};

use crate::{
    gateway::until_ready,
    metrics::Metrics,
    operator::Operator,
    ports::free_address,
    process::{FAILPOINT_VARIABLE, Process, binary},
};

/// An order worker: its process and its address, which stays the same over restarts.
#[derive(Debug)]
pub struct Worker {
    /// The process.
    pub process: Process,
    operator: SocketAddr,
    settings: Vec<(String, String)>,
}

/// Where a worker finds the rest of its deployment.
pub(crate) struct WorkerPlan<'a> {
    pub(crate) name: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) mysql_url: &'a str,
    pub(crate) name_server: &'a str,
    pub(crate) settings: &'a [(String, String)],
}

impl Worker {
    /// Writes the configuration; starts nothing.
    pub(crate) fn new(plan: &WorkerPlan<'_>, folder: &Path) -> Self {
        let operator = free_address();
        let WorkerPlan { name, prefix, mysql_url, name_server, settings } = plan;
        let config = format!(
            r#"
[order_store]
url = "{mysql_url}"

[rocketmq]
name_servers = ["{name_server}"]
prefix = "{prefix}"
rebalance_interval_ms = 500

[operator]
listen = "{operator}"

[log]
format = "json"
"#
        );
        let file = folder.join(format!("{name}.toml"));
        fs::write(&file, config).unwrap();
        let process = Process::new(name, binary("order-worker"), arguments("serve", &file), folder);
        Self { process, operator, settings: settings.to_vec() }
    }

    /// A setting for its next starts: `audit.interval_ms`.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        let variable = format!("FLASHGATE_WORKER__{}", key.to_uppercase().replace('.', "__"));
        self.settings.push((variable, value.to_string()));
    }

    /// Starts it; [`Worker::ready`] waits until it works.
    pub fn start(&mut self) {
        self.process.start(&self.settings);
    }

    /// Starts it so that it dies at the failpoint: `after_poll`, `after_begin`, `before_db_commit`,
    /// `after_db_commit`, `after_outcomes` or `before_offset_commit`, with `:7` for the seventh time it comes
    /// there.
    pub fn start_armed(&mut self, failpoint: &str) {
        self.start_with(&[(FAILPOINT_VARIABLE.to_owned(), failpoint.to_owned())]);
    }

    /// Starts it with `variables` as well.
    pub fn start_with(&mut self, variables: &[(String, String)]) {
        self.process.start(&[&self.settings, variables].concat());
    }

    /// Waits until it says that it works.
    ///
    /// # Panics
    /// If it does not within half a minute, or ends.
    pub async fn ready(&mut self) {
        until_ready(&mut self.process, self.operator).await;
    }

    /// Where it serves operators and gateways.
    pub const fn address(&self) -> SocketAddr {
        self.operator
    }

    /// Its operator's interface.
    pub fn operator(&self) -> Operator {
        Operator::new(self.operator)
    }

    /// Its metrics now: since its last start.
    pub async fn metrics(&self) -> Metrics {
        Metrics::of(self.operator).await
    }

    /// Brings the schema of the database to the version of the worker.
    pub async fn migrate(&self, folder: &Path) {
        self.migration(folder).run(&self.settings).await;
    }

    /// As [`Worker::migrate`], with `variables` as well.
    pub async fn migrate_with(&self, folder: &Path, variables: &[(String, String)]) {
        self.migration(folder).run(&[&self.settings, variables].concat()).await;
    }

    /// `order-worker migrate` with its configuration, not started yet.
    pub fn migration(&self, folder: &Path) -> Process {
        let file = folder.join(format!("{}.toml", self.process.name()));
        Process::new("migrate", binary("order-worker"), arguments("migrate", &file), folder)
    }
}

fn arguments(command: &str, config: &Path) -> Vec<String> {
    vec![command.to_owned(), "--config".to_owned(), config.display().to_string()]
}
