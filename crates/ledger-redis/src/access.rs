//! Checks at the start whether the servers refuse this process.

use flashgate_access::{AccessError, Refusal};
use flashgate_ledger::{LedgerError, Probing};

use super::{
    RedisLedger, events,
    login::{ConnectError, refused},
    servers::KeyLocation,
};

/// Marks a missing right in the text of a refusal: of a command, as the client words it, and of a command inside a
/// script.
const RIGHT_MISSING: [&str; 2] = ["NoPerm", "user executing the script can't"];

impl RedisLedger {
    /// Whether a server refuses this process, or this process a server: certificates, login and rights. A server that
    /// does not respond is no error here.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn check_access(&self) -> Result<(), AccessError> {
        for link in self.servers.links() {
            if let Err(ConnectError::Access(refused)) = link.check().await {
                return Err(refused);
            }
        }
        // Some address of a cluster: the right is missing at all nodes, or at the one that the detail names.
        let address = || self.servers.links().first().map(|link| link.address()).unwrap_or_default();
        let lacks_right = |detail: String| refused(address(), Refusal::Right, detail);
        for attempt in [self.ping().await, self.try_commands().await] {
            if let Err(LedgerError::Refused(detail)) = attempt
                && RIGHT_MISSING.iter().any(|marker| detail.contains(marker))
            {
                return Err(lacks_right(detail));
            }
        }
        match events::connect(&self.servers, &self.keys.events()).await {
            Err(ConnectError::Access(refused)) => Err(refused),
            Err(ConnectError::File(_) | ConnectError::Other(_)) | Ok(_) => Ok(()),
        }
    }

    /// The commands that are called outside of scripts, or where a script is missing. The health check tries those of
    /// the scripts.
    async fn try_commands(&self) -> Result<(), LedgerError> {
        for shard in self.keys.shards.all() {
            let key = self.keys.access(shard);
            let mut scan = redis::cmd("HSCAN");
            scan.arg(&key).arg(0);
            let mut increment = redis::cmd("INCR");
            increment.arg(&key);
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(&key);
            let mut eval = redis::cmd("EVAL");
            eval.arg("return 1").arg(1).arg(&key);
            for command in [scan, increment, unlink, eval] {
                self.command("access", KeyLocation::Shard(shard), command, |_any_reply| Some(())).await?;
            }
        }
        Ok(())
    }
}
