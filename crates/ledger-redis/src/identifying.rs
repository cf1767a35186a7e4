//! The ledger's identity and the node numbers.

use async_trait::async_trait;
use flashgate_domain::{LedgerId, Node, Shard};
use flashgate_ledger::{Identifying, LedgerError, LedgerIdentity};

use super::{RedisLedger, reply, scripts, servers::KeyLocation};

#[async_trait]
impl Identifying for RedisLedger {
    async fn identity(&self, shard: Shard) -> Result<Option<LedgerIdentity>, LedgerError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.identity(shard)).arg(&["ledger", "store"]);
        self.command("identity", KeyLocation::Shard(shard), command, reply::identity).await
    }

    async fn establish(&self, shard: Shard, identity: LedgerIdentity) -> Result<LedgerIdentity, LedgerError> {
        let call = scripts::ESTABLISH
            .call()
            .key(self.keys.identity(shard))
            .arg(identity.ledger.to_string())
            .arg(identity.store.to_string());
        self.run(shard, call, |reply| reply::identity(reply).flatten()).await
    }

    fn expect_ledger(&self, ledger: LedgerId) {
        let _the_first_one_holds = self.expected_ledger.set(ledger);
    }

    async fn next_node(&self) -> Result<Node, LedgerError> {
        let mut command = redis::cmd("INCR");
        command.arg(self.keys.nodes());
        self.command("next_node", KeyLocation::Nodes, command, reply::started).await
    }
}
