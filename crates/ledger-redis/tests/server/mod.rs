//! Redis servers for the tests, on loopback, and ledgers on them.
#![expect(dead_code, reason = "each test file uses a part")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test without its server must stop")]

use std::{
    fs,
    net::TcpListener,
    num::NonZeroU32,
    path::PathBuf,
    process::{self, Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::Duration,
};

use flashgate_domain::{Clock, SystemClock};
use flashgate_ledger_redis::{RedisConfig, RedisLedger};
use redis::{Client, Connection, FromRedisValue};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name that is unique to a test, in this run and in others on the same server.
pub(crate) fn unique() -> String {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{}-{number}", SystemClock.now().as_millis(), process::id())
}

/// A configuration with short timeouts and a unique prefix.
pub(crate) fn config(url: &str) -> RedisConfig {
    let mut config = RedisConfig::single(url.parse().unwrap());
    config.prefix = unique().parse().unwrap();
    config.response_timeout_ms = NonZeroU32::new(2_000).unwrap();
    config
}

/// A ledger with that configuration.
pub(crate) fn ledger(config: &RedisConfig) -> RedisLedger {
    RedisLedger::new(config).unwrap()
}

/// Sends a command.
pub(crate) fn command<T: FromRedisValue>(connection: &mut Connection, words: &str) -> T {
    let mut parts = words.split(' ');
    let mut command = redis::cmd(parts.next().unwrap());
    for part in parts {
        command.arg(part);
    }
    command.query(connection).unwrap()
}

/// Runs redis-server until its own input ends: when the test drops it, and also when the test dies.
const LEASH: &str = "redis-server \"$@\" >/dev/null 2>&1 & cat; kill -9 $!; wait";

/// A redis-server that is killed when it is dropped, or with the test.
pub(crate) struct Server {
    leash: Leash,
    pub(crate) port: u16,
    pub(crate) bus_port: u16,
    pub(crate) tls_port: u16,
    folder: PathBuf,
    arguments: Vec<String>,
}

struct Leash {
    shell: Child,
    input: Option<ChildStdin>,
}

impl Leash {
    fn new(arguments: &[String]) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "redis-server"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut shell = command.stderr(Stdio::null()).spawn().expect("sh and redis-server must be installed");
        Self { input: shell.stdin.take(), shell }
    }

    fn release(&mut self) {
        drop(self.input.take());
        drop(self.shell.wait());
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.release();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts a server that keeps its data over a restart. `{bus_port}` and `{tls_port}` in an argument stand for these
    /// ports.
    pub(crate) fn start(more: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(unique());
        fs::create_dir_all(&folder).unwrap();
        let [port, bus_port, tls_port] = [(); 3].map(|()| free_port());
        let durable = "--bind 127.0.0.1 --appendonly yes --appendfsync always --maxmemory-policy noeviction";
        let place = format!("--port {port} --dir {}", folder.display());
        let words = durable.split(' ').chain(place.split(' ')).chain(["--save", ""]);
        let mut arguments: Vec<String> = words.map(str::to_owned).collect();
        arguments.extend(more.iter().map(|word| {
            word.replace("{bus_port}", &bus_port.to_string()).replace("{tls_port}", &tls_port.to_string())
        }));
        let server = Self { leash: Leash::new(&arguments), port, bus_port, tls_port, folder, arguments };
        server.wait();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn connect(&self) -> Connection {
        Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    fn wait(&self) {
        let client = Client::open(self.url()).unwrap();
        for _attempt in 0..500 {
            let answer =
                client.get_connection().and_then(|mut link| redis::cmd("PING").query::<String>(&mut link));
            if answer.is_ok() {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("redis-server on port {} does not answer", self.port);
    }

    /// Kills the server, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.leash.release();
    }

    /// Restarts the server with its data on its port.
    pub(crate) fn restart(&mut self) {
        self.leash = Leash::new(&self.arguments);
        self.wait();
    }

    /// Stalls the server until the guard is dropped.
    pub(crate) fn stall(&self) -> Stall {
        let info: String = command(&mut self.connect(), "INFO server");
        let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().trim().to_owned();
        signal("-STOP", &pid);
        Stall(pid)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.leash.release();
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A stalled server.
pub(crate) struct Stall(String);

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
}

impl Drop for Stall {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}
