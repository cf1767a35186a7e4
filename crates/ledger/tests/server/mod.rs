//! Redis servers of the tests' own, on loopback, and ledgers on them.
#![expect(dead_code, reason = "each test file uses a part")]

use std::{
    fs,
    net::TcpListener,
    num::NonZeroU32,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use flashgate_domain::{Clock, SystemClock};
use flashgate_ledger::redis::{RedisConfig, RedisLedger};
use redis::{Client, Connection, FromRedisValue};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name that no other test has, in this run or another on the same server.
pub fn unique() -> String {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{}-{number}", SystemClock.now().as_millis(), process::id())
}

/// A configuration with short timeouts, under a prefix of its own.
pub fn config(url: &str) -> RedisConfig {
    let mut config = RedisConfig::single(url.parse().unwrap());
    config.prefix = unique().parse().unwrap();
    config.response_timeout_ms = NonZeroU32::new(2_000).unwrap();
    config
}

/// A ledger with that configuration.
pub fn ledger(config: &RedisConfig) -> RedisLedger {
    RedisLedger::new(config).unwrap()
}

/// A plain command.
pub fn command<T: FromRedisValue>(connection: &mut Connection, words: &str) -> T {
    let mut parts = words.split(' ');
    let mut command = redis::cmd(parts.next().unwrap());
    parts.for_each(|part| drop(command.arg(part)));
    command.query(connection).unwrap()
}

/// A redis-server, killed when it is dropped.
pub struct Server {
    process: Child,
    pub port: u16,
    pub bus_port: u16,
    folder: PathBuf,
    arguments: Vec<String>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts a server that keeps its data over a restart.
    pub fn start(more: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(unique());
        fs::create_dir_all(&folder).unwrap();
        let (port, bus_port) = (free_port(), free_port());
        let mut arguments: Vec<String> = [
            "--bind 127.0.0.1 --save  --appendonly yes --appendfsync always --maxmemory-policy noeviction",
            &format!("--port {port} --dir {}", folder.display()),
        ]
        .iter()
        .flat_map(|words| words.split(' '))
        .map(str::to_owned)
        .collect();
        arguments.extend(more.iter().map(|word| word.replace("{bus_port}", &bus_port.to_string())));
        let process = launch(&arguments);
        let server = Self { process, port, bus_port, folder, arguments };
        server.wait();
        server
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub fn connect(&self) -> Connection {
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
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server on port {} does not answer", self.port);
    }

    /// As by a power cut.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Again, with its data, on its port.
    pub fn restart(&mut self) {
        self.process = launch(&self.arguments);
        self.wait();
    }

    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

fn launch(arguments: &[String]) -> Child {
    let server = Command::new("redis-server").args(arguments).stdout(Stdio::null()).spawn();
    server.expect("redis-server must be installed")
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}
