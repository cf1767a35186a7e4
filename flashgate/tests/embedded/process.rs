//! A `flashgate serve` on a folder, as a process.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::{Instant, timeout},
};

/// How long a start may take on a busy machine; the promise of 5 s is checked where it is the subject.
const START_MAX: Duration = Duration::from_secs(60);

pub(crate) fn flashgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashgate"));
    // A test that fails must not leave a server behind.
    command.kill_on_drop(true).env_remove("FLASHGATE_DATA_DIR");
    command
}

/// `flashgate serve` on the folder, on free ports.
pub(crate) fn serve(folder: &Path) -> Command {
    let mut command = flashgate();
    command.args(["serve", "--http", "0", "--grpc", "0", "--gateway", "0", "--worker", "0", "--data-dir"]);
    command.arg(folder);
    command
}

pub(crate) struct Serve {
    child: Child,
    pub(crate) http: SocketAddr,
    /// The order worker's port for operators.
    pub(crate) operator: SocketAddr,
    /// The gateway's port for operators.
    pub(crate) gateway: SocketAddr,
    pub(crate) name_server: SocketAddr,
    /// All that it told when it was up.
    pub(crate) told: String,
    pub(crate) took: Duration,
    _stdout: BufReader<ChildStdout>,
}

impl Serve {
    /// Starts it, and waits until it says where it is.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::spawn(serve(folder)).await
    }

    /// Starts it with a configuration, and waits until it says where it is.
    pub(crate) async fn start_with(folder: &Path, config: &Path) -> Self {
        let mut command = serve(folder);
        command.arg("--config").arg(config);
        Self::spawn(command).await
    }

    async fn spawn(mut command: Command) -> Self {
        let began = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut told = String::new();
        let heard = async {
            while !told.contains("Ctrl-C ends it") {
                assert_ne!(stdout.read_line(&mut told).await.unwrap(), 0, "it ended: {told}");
            }
        };
        timeout(START_MAX, heard).await.expect("it says where it is");
        let after = |mark: &str| {
            let at = told.find(mark).unwrap_or_else(|| panic!("no {mark:?} in {told}")) + mark.len();
            told[at..].split_whitespace().next().unwrap().trim_start_matches("http://").parse().unwrap()
        };
        let (http, operator, gateway) = (after("buyers"), after("order worker"), after("\n  gateway"));
        let name_server = after("RocketMQ");
        Self { child, http, operator, gateway, name_server, took: began.elapsed(), _stdout: stdout, told }
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; the exit code.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        timeout(START_MAX, self.child.wait()).await.expect("it ends").unwrap().code()
    }
}
