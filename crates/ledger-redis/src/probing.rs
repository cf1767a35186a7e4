//! Health checks and the server's time.

use async_trait::async_trait;
use flashgate_domain::{Shard, Timestamp};
use flashgate_ledger::{LedgerError, Probing};

use super::{RedisLedger, reply, scripts, servers::KeyLocation};

/// The only policy under which Redis drops no part of the ledger.
const NO_EVICTION: &str = "noeviction";

#[async_trait]
impl Probing for RedisLedger {
    async fn time(&self) -> Result<Timestamp, LedgerError> {
        // Any server will do: their clocks are synchronized, and each judges the windows of its own sales.
        self.command("time", KeyLocation::Nodes, redis::cmd("TIME"), reply::time).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        for shard in self.keys.shards.all() {
            self.ping_shard(shard).await?;
        }
        Ok(())
    }

    async fn ping_shard(&self, shard: Shard) -> Result<(), LedgerError> {
        let call = scripts::PROBE.call().key(self.keys.health(shard)).arg(self.keys.events());
        let errors = self.run(shard, call, reply::probed).await?;
        if !errors.is_empty() {
            return Err(LedgerError::Refused(errors.join("; ")));
        }
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let policy = self.command("info", KeyLocation::Shard(shard), command, reply::eviction_policy).await?;
        if policy != NO_EVICTION {
            return Err(LedgerError::Refused(format!("maxmemory-policy is {policy}; must be {NO_EVICTION}")));
        }
        Ok(())
    }
}
