//! Screen, deduct, check back, settle: one script each, and a shorter one for the most common settlement.

use async_trait::async_trait;
use flashgate_domain::{Batch, BatchId, BatchOutcome, Decision, Intent, Shard};
use flashgate_ledger::{Deduction, Fate, LedgerError, Screening, Selling, Settled, intents::Intents};

use super::{RedisLedger, pack, reply, scripts};

#[async_trait]
impl Selling for RedisLedger {
    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerError> {
        let intents = Intents::new(self.keys.shards, shard, intents.iter())?;
        let (_sale_ids, packed) = intents.pack();
        let call = scripts::SCREEN
            .call()
            .key(self.keys.open_orders(shard))
            .key(self.keys.identity(shard))
            .keys(self.three_of_each(&intents.sales))
            .arg(packed)
            .arg(self.progress.pack(&intents.sales))
            .arg(self.expected_ledger());
        let reply = self.run(shard, call, |reply| reply::screening(reply, &intents)).await?;
        Ok(self.record(reply))
    }

    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerError> {
        let (id, shard) = (batch.id(), batch.id().shard());
        let intents = Intents::new(self.keys.shards, shard, batch.intents().iter())?;
        let call = self.batch_call(scripts::DEDUCT.call(), id, &intents);
        let call = call.arg(self.progress.pack(&intents.sales)).arg(body);
        let reply = self.run(shard, call, |reply| reply::deduction(reply, &intents)).await?;
        Ok(self.record(reply))
    }

    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerError> {
        let call = scripts::CHECK_BACK
            .call()
            .key(self.keys.log(batch))
            .key(self.keys.identity(batch.shard()))
            .arg(format!("{:016x}", batch.nonce()))
            .number(self.retention.log.as_millis())
            .arg(self.expected_ledger());
        self.run(batch.shard(), call, reply::fate).await
    }

    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerError> {
        let (id, intents) = (outcome.batch, Intents::of_outcome(self.keys.shards, outcome)?);
        if outcome.orders.iter().all(|order| order.decision == Decision::Confirmed)
            && let Some(settled) = self.settle_confirmed(id, &intents).await?
        {
            return Ok(settled);
        }
        let call = self
            .batch_call(scripts::SETTLE.call(), id, &intents)
            .arg(pack::states_of(outcome))
            .number(self.retention.log.as_millis())
            .number(self.retention.sale.as_millis())
            .arg(self.keys.events());
        let reply = self.run(id.shard(), call, |reply| reply::settled(reply, &intents.sales)).await?;
        Ok(self.record(reply))
    }
}

impl RedisLedger {
    /// Settles a batch whose orders were all confirmed; `None`, with nothing changed, if the full script is needed.
    async fn settle_confirmed(&self, id: BatchId, intents: &Intents) -> Result<Option<Settled>, LedgerError> {
        let Some(shares) = pack::shares(intents) else { return Ok(None) };
        let call = self
            .of_batch(scripts::SETTLE_CONFIRMED.call(), id, &intents.sales)
            .arg(shares)
            .arg(self.expected_ledger())
            .number(self.retention.log.as_millis())
            .number(self.retention.sale.as_millis())
            .arg(self.keys.events());
        let decode = |reply: &_| reply::settled_confirmed(reply, &intents.sales);
        let reply = self.run(id.shard(), call, decode).await?;
        Ok(reply.map(|reply| self.record(reply)))
    }
}
