//! A RocketMQ of a test's own, whose broker can be killed and frozen without harm to others.

use std::{path::PathBuf, process::Command as Blocking};

use tempfile::TempDir;
use tokio::process::Command;

/// A name server and a broker, run by `scripts/stack`. Dropping it removes them.
#[derive(Debug)]
pub struct RocketMqServer {
    folder: TempDir,
    name_server: String,
}

impl RocketMqServer {
    /// Starts both, and waits until they answer.
    ///
    /// # Panics
    /// If they do not.
    pub async fn start() -> Self {
        let folder = TempDir::with_prefix("flashgate-rocketmq-").unwrap();
        let mut server = Self { folder, name_server: String::new() };
        server.stack(&["up", "--only", "rocketmq"]).await;
        let addresses = server.stack(&["env"]).await;
        let name_server = addresses.lines().find_map(|line| line.strip_prefix("export FLASHGATE_NAMESRV="));
        server.name_server = name_server.expect("the address of the name server").to_owned();
        server
    }

    /// `host:port` of the name server.
    pub fn name_server(&self) -> &str {
        &self.name_server
    }

    /// SIGKILL to the broker, and waits until it is gone.
    pub async fn kill_broker(&self) {
        self.stack(&["kill", "broker"]).await;
    }

    /// Starts the broker again with what it had stored, and waits until the name server knows it.
    pub async fn start_broker(&self) {
        self.stack(&["start", "broker"]).await;
    }

    /// SIGSTOP: the broker holds its connections and answers nothing.
    pub async fn freeze_broker(&self) {
        self.stack(&["kill", "broker", "-STOP"]).await;
    }

    /// SIGCONT.
    pub async fn thaw_broker(&self) {
        self.stack(&["kill", "broker", "-CONT"]).await;
    }

    /// Runs `scripts/stack`; what it printed.
    async fn stack(&self, words: &[&str]) -> String {
        let folder = self.folder.path();
        let ran = Command::new(script()).args(words).arg("--dir").arg(folder).output().await.unwrap();
        assert!(ran.status.success(), "stack {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }
}

impl Drop for RocketMqServer {
    fn drop(&mut self) {
        let removed =
            Blocking::new(script()).args(["down", "--purge", "--dir"]).arg(self.folder.path()).output();
        if !removed.is_ok_and(|removed| removed.status.success()) {
            eprintln!("left behind: {}", self.folder.path().display());
        }
    }
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/stack")
}
