//! A Redis server of a test's own, which can be emptied, stopped and killed without harm to others.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use crate::{eventually::eventually, ports::free_address, process::Process, stock};

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
        let address = free_address();
        let data = folder.join("redis");
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
        let arguments = arguments.concat().into_iter().map(str::to_owned).collect();
        let process = Process::new("redis", "redis-server".into(), arguments, folder);
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
