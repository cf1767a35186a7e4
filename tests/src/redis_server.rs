//! A Redis server of a test's own, which can be emptied, stopped and killed without harm to others.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use crate::{eventually::eventually, ports::free_address, process::Process, stock};

/// Written to a master, to see whether its replica gets it.
const STREAMED: &str = "streamed";

/// A Redis server that writes each change to disk before it answers.
#[derive(Debug)]
pub struct RedisServer {
    /// The process.
    pub process: Process,
    address: SocketAddr,
}

impl RedisServer {
    /// Starts one with its data under `folder`, and waits until it answers.
    ///
    /// # Panics
    /// If `redis-server` is missing or does not come up.
    pub async fn start(folder: &Path) -> Self {
        Self::start_as("redis", folder, &[]).await
    }

    /// Starts one that copies the server at `master` as long as it can, and waits until it has done so once.
    ///
    /// # Panics
    /// If it does not come up, or the master does not answer.
    pub async fn replica_of(master: SocketAddr, folder: &Path) -> Self {
        let port = master.port().to_string();
        let replica = Self::start_as("replica", folder, &["--replicaof", "127.0.0.1", &port]).await;
        // After the copy the master keeps what is written until the replica's next acknowledgement, a second later. So
        // this key, which is none of the copy, has come with the stream.
        let url = format!("redis://{master}");
        eventually("the master sends what is written", Duration::from_secs(20), async || {
            let mut info = redis::cmd("INFO");
            info.arg("replication");
            let told: String = query(&url, info).await;
            told.contains("state=online").then_some(()).ok_or(told)
        })
        .await;
        let _ok: String = query(&url, redis::Cmd::set(STREAMED, 1)).await;
        eventually("what is written reaches the replica", Duration::from_secs(20), async || {
            let there: bool = query(&replica.url(), redis::Cmd::exists(STREAMED)).await;
            there.then_some(()).ok_or("not yet".to_owned())
        })
        .await;
        replica
    }

    /// Makes a replica a master of its own, with what it has got.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn promote(&self) {
        let mut promote = redis::cmd("REPLICAOF");
        promote.arg("NO").arg("ONE");
        let _ok: String = query(&self.url(), promote).await;
    }

    async fn start_as(name: &str, folder: &Path, more: &[&str]) -> Self {
        let address = free_address();
        let data = folder.join(name);
        fs::create_dir_all(&data).unwrap();
        let data = data.display().to_string();
        let port = address.port().to_string();
        let arguments = [
            ["--bind", "127.0.0.1"],
            ["--port", &port],
            ["--dir", &data],
            ["--appendonly", "yes"],
            ["--appendfsync", "always"],
            ["--save", ""],
            ["--maxmemory-policy", "noeviction"],
        ];
        let arguments = arguments.concat().into_iter().chain(more.iter().copied()).map(str::to_owned);
        let arguments = arguments.collect();
        let process = Process::new(name, "redis-server".into(), arguments, folder);
        let mut server = Self { process, address };
        server.restart().await;
        server
    }

    /// Starts it again after it was killed, with what it had written, and waits until it answers.
    pub async fn restart(&mut self) {
        self.process.start(&[]);
        let url = self.url();
        eventually("redis answers", Duration::from_secs(10), async || {
            let pong = stock::raw(&url, redis::cmd("PING")).await;
            pong.map(drop).map_err(|why| format!("{why}\n{}", self.process.log_tail()))
        })
        .await;
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://host:port`
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

async fn query<T: redis::FromRedisValue>(url: &str, command: redis::Cmd) -> T {
    T::from_redis_value(stock::raw(url, command).await.expect("Redis answers")).unwrap()
}
