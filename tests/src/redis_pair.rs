//! Two Redis servers that swap roles without losing anything, as a planned switch-over does it.

use std::{mem, path::Path, time::Duration};

use crate::{eventually::eventually, redis_server::RedisServer, stock};

/// Longer than a replica needs to catch up.
const SWITCH_TIME: Duration = Duration::from_secs(30);

/// A server whose replica can take over.
#[derive(Debug)]
pub struct RedisPair {
    replica: RedisServer,
}

impl RedisPair {
    /// Starts a replica of `primary`, and waits until it follows.
    ///
    /// # Panics
    /// If it does not.
    pub async fn of(primary: &RedisServer, folder: &Path) -> Self {
        Self { replica: RedisServer::replica_of(primary.address(), folder).await }
    }

    /// Swaps the roles once the replica has everything. `primary` is the new one afterwards. The old one keeps its
    /// connections, and refuses writes on them with READONLY.
    ///
    /// # Panics
    /// If the servers do not.
    pub async fn switch_over(&mut self, primary: &mut RedisServer) {
        let (old, new) = (primary.url(), self.replica.url());
        eventually("the replica follows", SWITCH_TIME, async || {
            let replication = info(&old).await?;
            replication.contains("state=online").then_some(()).ok_or(replication)
        })
        .await;
        let port = self.replica.address().port().to_string();
        let mut failover = redis::cmd("FAILOVER");
        failover.arg("TO").arg("127.0.0.1").arg(port);
        stock::raw(&old, failover).await.expect("a failover begins");
        eventually("the roles are swapped", SWITCH_TIME, async || {
            let (old, new) = (info(&old).await?, info(&new).await?);
            let swapped = old.contains("role:slave") && new.contains("role:master");
            swapped.then_some(()).ok_or_else(|| format!("{old}\n{new}"))
        })
        .await;
        mem::swap(primary, &mut self.replica);
    }

    /// Kills the one that is the replica now.
    pub fn kill_now(&mut self) {
        self.replica.process.kill_now();
    }
}

async fn info(url: &str) -> Result<String, String> {
    let mut info = redis::cmd("INFO");
    info.arg("replication");
    let told = stock::raw(url, info).await.map_err(|why| why.to_string())?;
    redis::FromRedisValue::from_redis_value(told).map_err(|why: redis::ParsingError| why.to_string())
}
