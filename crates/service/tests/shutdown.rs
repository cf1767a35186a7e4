//! Signals to a real process that does not end by itself: this test, started again as such a process.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{self, Child, ChildStderr, Command, Stdio},
    thread,
    time::Duration,
};

use flashgate_service::{
    shutdown,
    telemetry::{self, LogConfig},
};
use rustix::process::{Pid, Signal, kill_process};

/// Makes this test the process that is to be ended, with so many milliseconds to shut down.
const CHILD: &str = "FLASHGATE_SHUTDOWN_CHILD_MS";
/// When the process ends by itself: it must have been ended long before.
const LIFE_MAX: Duration = Duration::from_secs(20);

/// Not a test of its own: what the others start. All of its threads but the one that watches hang.
#[test]
fn child() {
    let Ok(limit_ms) = env::var(CHILD) else { return };
    thread::spawn(|| {
        thread::sleep(LIFE_MAX);
        process::exit(1);
    });
    telemetry::init_logs(&LogConfig::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let leave = shutdown::on_signal(Duration::from_millis(limit_ms.parse().unwrap())).unwrap();
        let _waiting = [shutdown::waiting_for("the first thing"), shutdown::waiting_for("the second thing")];
        eprintln!("started");
        leave.cancelled().await;
        eprintln!("told");
        // As a blocking call would: the runtime does nothing any more.
        loop {
            thread::park();
        }
    });
}

struct Hanging {
    child: Child,
    output: BufReader<ChildStderr>,
}

impl Hanging {
    fn start(limit: Duration) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, limit.as_millis().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stderr.take().unwrap());
        let mut hanging = Self { child, output };
        hanging.until("started");
        hanging
    }

    fn until(&mut self, wanted: &str) {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "it ended before {wanted}");
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Its exit code, and what it wrote.
    fn end(mut self) -> (i32, String) {
        let mut written = String::new();
        self.output.read_to_string(&mut written).unwrap();
        (self.child.wait().unwrap().code().unwrap(), written)
    }
}

#[test]
fn a_second_signal_ends_a_process_that_hangs_at_once() {
    for (first, second, exit_code) in [
        (Signal::TERM, Signal::TERM, 143),
        (Signal::TERM, Signal::INT, 130),
        (Signal::INT, Signal::TERM, 143),
    ] {
        let mut hanging = Hanging::start(Duration::from_secs(3_600));
        hanging.signal(first);
        hanging.until("told");
        hanging.signal(second);
        let (ended, written) = hanging.end();
        assert_eq!(ended, exit_code, "{written}");
        assert!(written.contains("the first thing, the second thing"), "{written}");
    }
}

#[test]
fn a_process_that_hangs_is_ended_at_its_limit_and_says_what_it_waited_for() {
    for signal in [Signal::TERM, Signal::INT] {
        let hanging = Hanging::start(Duration::from_millis(300));
        hanging.signal(signal);
        let (ended, written) = hanging.end();
        assert_eq!(ended, shutdown::EXPIRED_EXIT_CODE, "{written}");
        let error =
            written.lines().find(|line| line.contains("ERROR")).unwrap_or_else(|| panic!("{written}"));
        assert!(error.contains("the first thing, the second thing"), "{error}");
    }
}
