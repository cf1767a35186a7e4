//! The ledger's identity and the node numbers.

use async_trait::async_trait;
use flashgate_domain::{LedgerId, Node, Shard};
use flashgate_ledger::{Identifying, LedgerError, LedgerIdentity};

use super::SqliteLedger;

#[async_trait]
impl Identifying for SqliteLedger {
    async fn identity(&self, _shard: Shard) -> Result<Option<LedgerIdentity>, LedgerError> {
        Ok(self.index()?.identity)
    }

    async fn establish(
        &self,
        _shard: Shard,
        identity: LedgerIdentity,
    ) -> Result<LedgerIdentity, LedgerError> {
        self.write("establish", move |round| round.establish(identity)).await
    }

    fn expect_ledger(&self, ledger: LedgerId) {
        let _the_first_one_holds = self.expected_ledger.set(ledger);
    }

    async fn next_node(&self) -> Result<Node, LedgerError> {
        self.write("next_node", |round| round.next_node()).await
    }
}
