//! A process of ours: started, stopped, frozen.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{process::Command, time::timeout};

/// Longer than a gateway's time to drain.
const LEAVE_TIME: Duration = Duration::from_secs(30);

/// A process with its log. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    child: tokio::process::Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; its output is appended to `<folder>/<name>.log`.
    pub fn start(name: &str, program: &Path, words: &[String], folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let open = || OpenOptions::new().create(true).append(true).open(&log);
        let child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let pid = child.id().with_context(|| format!("{name} has ended"))?;
        Ok(Self { name: name.to_owned(), pid, child, log })
    }

    /// Its id.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// An error if it has ended.
    pub fn must_run(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} has ended with {status}: see {}", self.name, self.log.display()),
        }
    }

    /// SIGSTOP: it holds its connections and does nothing.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGTERM, and SIGKILL if that is not heard.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            self.signal(Signal::TERM)?;
            if timeout(LEAVE_TIME, self.child.wait()).await.is_err() {
                self.child.kill().await?;
                bail!("{} did not leave: see {}", self.name, self.log.display());
            }
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(pid, signal).with_context(|| self.name.clone())
    }
}

/// Runs a program to its end and returns what it printed.
pub async fn output(program: &Path, words: &[String]) -> anyhow::Result<String> {
    let name = program.display();
    let child = Command::new(program).args(words).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = child.await.with_context(|| name.to_string())?;
    if !output.status.success() {
        bail!("{name} has ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}
