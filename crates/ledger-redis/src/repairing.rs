//! Rebuilding sales and compensating their units.

use async_trait::async_trait;
use flashgate_domain::{BatchOutcome, Sale, SaleId, audit::LedgerStep};
use flashgate_ledger::{
    Compensated, LedgerError, Observing, Rebuilding, Rebuilt, Repairing, Restored, Snapshot, intents::Intents,
};

use super::{RedisLedger, pack, reply, scripts};

#[async_trait]
impl Repairing for RedisLedger {
    async fn begin_rebuild(&self, sale: &Sale) -> Result<Rebuilding, LedgerError> {
        match self.rebuild(sale, None).await? {
            Rebuilding::Open { orders } => {
                // A script that failed half-way leaves the count of pending orders too high. The log has the open
                // batches.
                let seen = self.snapshot(sale.id).await?;
                let is_settled = |snapshot: &Snapshot| snapshot.open.is_empty() && snapshot.lost.is_empty();
                match seen.filter(is_settled) {
                    Some(snapshot) => self.rebuild(sale, Some(snapshot.sequence)).await,
                    None => Ok(Rebuilding::Open { orders }),
                }
            }
            begun @ (Rebuilding::Begun
            | Rebuilding::NotStopped { .. }
            | Rebuilding::OtherGeneration { .. }) => Ok(begun),
        }
    }

    async fn restore(
        &self,
        sale: SaleId,
        generation: u32,
        outcome: &BatchOutcome,
    ) -> Result<Restored, LedgerError> {
        let (id, intents) = (outcome.batch, Intents::of_outcome(self.keys.shards, outcome)?);
        let Some(number) = intents.sales.iter().position(|other| *other == sale) else {
            return Err(LedgerError::Refused(format!("batch {id} has no order of sale {sale}")));
        };
        let call = self
            .batch_call(scripts::RESTORE.call(), id, &intents)
            .arg(pack::states_of(outcome))
            .number(number)
            .number(generation)
            .number(self.retention.log.as_millis());
        self.run_on_sale(sale, call, reply::restored).await
    }

    async fn end_rebuild(
        &self,
        sale: SaleId,
        generation: u32,
        available: i64,
    ) -> Result<Rebuilt, LedgerError> {
        let call = scripts::RESUME.call().keys(self.keys.three_of(sale)).number(generation).number(available);
        self.run_on_sale(sale, call, reply::rebuilt).await
    }

    async fn compensate(&self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, LedgerError> {
        let call = scripts::COMPENSATE
            .call()
            .key(self.keys.sale(sale))
            .number(step.generation)
            .number(step.adjustments)
            .number(step.in_ledger)
            .number(step.across)
            .arg(self.keys.events());
        let reply = self.run_on_sale(sale, call, |reply| reply::compensated(reply, sale)).await?;
        Ok(self.record(reply))
    }
}

impl RedisLedger {
    /// Begins a rebuild. `settled_at`: the sequence at which no open batch had orders of the sale.
    async fn rebuild(&self, sale: &Sale, settled_at: Option<u64>) -> Result<Rebuilding, LedgerError> {
        let (draft, window) = (&sale.draft, sale.draft.window());
        let call = scripts::REBUILD
            .call()
            .keys(self.keys.three_of(sale.id))
            .key(self.keys.retired(self.keys.shard_of(sale.id)))
            .number(sale.generation)
            .number(window.opens_at().as_millis())
            .number(window.closes_at().as_millis())
            .number(draft.limit_per_buyer().get())
            .number(draft.stock())
            .number(sale.restocked)
            .number(sale.rebuild_epoch())
            .arg(settled_at.map(|sequence| sequence.to_string()).unwrap_or_default());
        self.run_on_sale(sale.id, call, reply::rebuilding).await
    }
}
