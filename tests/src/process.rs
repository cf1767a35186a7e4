//! One process of a deployment: started, killed, stopped, continued, started again.

use std::{
    env,
    fs::{self, File, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How long a process may take to leave in order: longer than the drain time of a listener.
const LEAVE_TIME: Duration = Duration::from_secs(30);
/// How long a process may take to come to the place where it dies.
const DEATH_TIME: Duration = Duration::from_secs(60);
/// How long a process may work until it is taken for one that hangs.
const RUN_TIME: Duration = Duration::from_secs(900);
/// How much of a log is shown when a test fails.
const TAIL_LINES: usize = 40;

/// A process with its log. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
    files_max: Option<(u32, u32)>,
}

impl Process {
    /// A process that does not run yet; its output will be appended to `<folder>/<name>.log`.
    pub fn new(name: &str, program: PathBuf, arguments: Vec<String>, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        Self { name: name.to_owned(), program, arguments, log, child: None, files_max: None }
    }

    /// Starts it, with `variables` in its environment.
    ///
    /// # Panics
    /// If it runs, or cannot be started.
    pub fn start(&mut self, variables: &[(String, String)]) {
        assert!(!self.is_running(), "{} runs already", self.name);
        let child = self
            .command()
            .args(&self.arguments)
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(self.open_log())
            .stderr(self.open_log())
            .kill_on_drop(true)
            .spawn();
        self.child =
            Some(child.unwrap_or_else(|why| panic!("{} cannot be started: {why}", self.program.display())));
    }

    /// From its next start on, how many files it may have open: at first, and at most (`RLIMIT_NOFILE`).
    pub const fn limit_files(&mut self, soft: u32, hard: u32) {
        self.files_max = Some((soft, hard));
    }

    fn command(&self) -> Command {
        let Some((soft, hard)) = self.files_max else { return Command::new(&self.program) };
        let script = format!(r#"ulimit -S -n {soft} && ulimit -H -n {hard} && exec "$0" "$@""#);
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(&self.program);
        command
    }

    /// Runs it to its end, which takes as long as its work does.
    ///
    /// # Panics
    /// If it fails, or still runs after a quarter of an hour.
    pub async fn run(&mut self, variables: &[(String, String)]) {
        self.start(variables);
        let status = self.ended_within(RUN_TIME).await;
        assert!(status.success(), "{} ended with {status}:\n{}", self.name, self.log_tail());
    }

    /// Whether it runs (or is stopped by SIGSTOP).
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// Sends `signal`.
    ///
    /// # Panics
    /// If it does not run.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap_or_else(|why| panic!("{}: {why}", self.name));
    }

    /// Its resident memory in KiB, without the pages of its program file.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn pid(&self) -> Pid {
        let id = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.died().await;
    }

    /// SIGSTOP: it holds its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, and waits until it has left.
    ///
    /// # Panics
    /// If it takes longer than 30 s, or ends with a failure.
    pub async fn leave(&mut self) {
        self.signal(Signal::TERM);
        let status = timeout(LEAVE_TIME, self.died()).await;
        let status = status.unwrap_or_else(|_late| panic!("{} does not leave", self.name));
        assert!(status.success(), "{} left with {status}", self.name);
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// If it was not started, or still runs after a minute.
    pub async fn died(&mut self) -> ExitStatus {
        self.ended_within(DEATH_TIME).await
    }

    async fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let child = self.child.as_mut().unwrap_or_else(|| panic!("{} was not started", self.name));
        let ended = timeout(limit, child.wait()).await;
        let status = ended.unwrap_or_else(|_late| panic!("{} does not end", self.name)).unwrap();
        self.child = None;
        status
    }

    /// Waits until it has died at the failpoint that it was armed with.
    ///
    /// # Panics
    /// If it ended otherwise.
    pub async fn crashed(&mut self) {
        let status = self.died().await;
        assert_eq!(
            status.signal(),
            Some(Signal::ABORT.as_raw()),
            "{} {status}:\n{}",
            self.name,
            self.log_tail()
        );
    }

    /// Kills it if it runs; waits for nothing.
    pub fn kill_now(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended meanwhile.
            drop(child.start_kill());
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything that it wrote, over all of its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines that it wrote.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
        format!("--- the end of {}\n{}\n", self.log.display(), tail.join("\n"))
    }

    fn open_log(&self) -> File {
        OpenOptions::new().create(true).append(true).open(&self.log).unwrap()
    }
}

/// The binary `name`, beside the test or in `FLASHGATE_BIN_DIR`.
///
/// # Panics
/// If it is missing or was built without its failpoints: kill tests would wait in vain.
pub fn binary(name: &str) -> PathBuf {
    let path = program(name);
    let build = "cargo build -p flashgate-gateway -p flashgate-order-worker --features failpoints";
    let bytes = std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}; run: {build}", path.display()));
    let armed = bytes.windows(FAILPOINT_VARIABLE.len()).any(|window| window == FAILPOINT_VARIABLE.as_bytes());
    assert!(armed, "{} was built without failpoints; run: {build}", path.display());
    path
}

/// A program of the workspace that has no failpoints.
pub fn program(name: &str) -> PathBuf {
    env::var_os("FLASHGATE_BIN_DIR").map_or_else(beside_this_test, PathBuf::from).join(name)
}

/// Arms a failpoint (`flashgate_service::failpoint`).
pub const FAILPOINT_VARIABLE: &str = "FLASHGATE_FAILPOINT";
/// Loses every n-th commit of a gateway.
pub const LOSE_COMMITS_VARIABLE: &str = "FLASHGATE_LOSE_COMMITS";

/// `target/<profile>`: tests are in its folder `deps`.
fn beside_this_test() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}
