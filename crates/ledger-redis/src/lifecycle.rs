//! The lifecycle of sales.

use async_trait::async_trait;
use flashgate_domain::{Sale, SaleId};
use flashgate_ledger::{Activated, LedgerError, Prepared, Restocked, SaleLifecycle};

use super::{RedisLedger, reply, scripts, servers::KeyLocation};

/// Maximum sales that one call of [`SaleLifecycle::sweep`] frees per shard.
const SWEEP_STEP: usize = 16;

#[async_trait]
impl SaleLifecycle for RedisLedger {
    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerError> {
        let (draft, window) = (&sale.draft, sale.draft.window());
        let call = scripts::PREPARE
            .call()
            .key(self.keys.sale(sale.id))
            .number(sale.generation)
            .number(window.opens_at().as_millis())
            .number(window.closes_at().as_millis())
            .number(draft.limit_per_buyer().get())
            .number(draft.stock());
        self.run_on_sale(sale.id, call, reply::prepared).await
    }

    async fn activate(&self, sale: SaleId, generation: u32) -> Result<Activated, LedgerError> {
        let call = scripts::ACTIVATE.call().key(self.keys.sale(sale)).number(generation);
        self.run_on_sale(sale, call, reply::activated).await
    }

    async fn restock(&self, sale: &Sale) -> Result<Restocked, LedgerError> {
        let call = scripts::RESTOCK
            .call()
            .key(self.keys.sale(sale.id))
            .number(sale.generation)
            .number(sale.restocked)
            .arg(self.keys.events());
        let reply = self.run_on_sale(sale.id, call, |reply| reply::restocked(reply, sale.id)).await?;
        Ok(self.record(reply))
    }

    async fn pause(&self, sale: SaleId) -> Result<(), LedgerError> {
        let call = scripts::PAUSE.call().key(self.keys.sale(sale));
        self.run_on_sale(sale, call, reply::stopped).await
    }

    async fn close(&self, sale: SaleId) -> Result<(), LedgerError> {
        let call = scripts::CLOSE
            .call()
            .key(self.keys.sale(sale))
            .key(self.keys.retired(self.keys.shard_of(sale)))
            .number(self.retention.sale.as_millis());
        self.run_on_sale(sale, call, reply::stopped).await?;
        self.progress.forget(sale);
        Ok(())
    }

    async fn sweep(&self) -> Result<u64, LedgerError> {
        let mut freed = 0;
        for shard in self.keys.shards.all() {
            let retired = self.keys.retired(shard);
            let mut command = redis::cmd("ZRANGE");
            command.arg(&retired).arg(0).arg(SWEEP_STEP.saturating_sub(1));
            for sale in self.command("sweep", KeyLocation::Shard(shard), command, reply::sale_ids).await? {
                let call =
                    scripts::SWEEP.call().key(retired.clone()).keys(self.keys.three_of(sale)).number(sale);
                freed += self.run_on_sale(sale, call, reply::swept).await?;
            }
        }
        Ok(freed)
    }
}
