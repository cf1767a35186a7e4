//! Runs the real binary and reads the report that it writes.

#![expect(clippy::unwrap_used, reason = "a test ends where its helper fails")]

use std::{
    process::ExitStatus,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::Value;
use tokio::{process::Command, time::Instant, time::sleep};

static RUNS: AtomicU32 = AtomicU32::new(0);

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) report: Value,
    pub(crate) took: Duration,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.report[name].as_u64().unwrap()
    }
}

/// Runs to the end.
pub(crate) async fn load(url: &str, flags: &[&str]) -> Run {
    run(url, flags, None).await
}

/// Sends for a minute, and is interrupted `after`.
pub(crate) async fn interrupted(url: &str, after: Duration) -> Run {
    run(url, &["--duration", "60s"], Some(after)).await
}

async fn run(url: &str, flags: &[&str], interrupt_after: Option<Duration>) -> Run {
    let name = format!("flashgate-load-{}-{}.json", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let json = std::env::temp_dir().join(name);
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashgate"));
    command.args(["load", "--sale", "1", "--target", url, "--json"]).arg(&json).args(flags);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().unwrap();
    if let Some(after) = interrupt_after {
        sleep(after).await;
        let pid = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    }
    let output = child.wait_with_output().await.unwrap();
    let took = start.elapsed();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = std::fs::read(&json).unwrap_or_else(|why| panic!("no report ({why}): {stderr}"));
    let _ = std::fs::remove_file(&json);
    Run { status: output.status, report: serde_json::from_slice(&report).unwrap(), took, stderr }
}
