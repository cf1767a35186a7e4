//! Screen, deduct, check back, settle: one script each, and a shorter one for the most common settlement.

use async_trait::async_trait;
use flashgate_domain::{Batch, BatchId, BatchOutcome, Decision, Intent, Shard};
use flashgate_ledger::{Deduction, Fate, LedgerError, Screening, Selling, Settled};

use super::{
    RedisLedger, decoded,
    pack::{self, Shares},
    reply, scripts,
};

#[async_trait]
impl Selling for RedisLedger {
    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerError> {
        let packed = self.pack(shard, intents.iter())?;
        let call = scripts::SCREEN
            .call()
            .key(self.keys.open_orders(shard))
            .key(self.keys.identity(shard))
            .keys(self.three_of_each(&packed.sales))
            .arg(&*packed.intents)
            .arg(self.progress.pack(&packed.sales))
            .arg(self.expected_ledger());
        let reply = self.run(shard, call).await?;
        decoded("screen", &reply, |reply| reply::screening(reply, &packed)).map(|reply| self.record(reply))
    }

    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerError> {
        let (id, shard) = (batch.id(), batch.id().shard());
        let packed = self.pack(shard, batch.intents().iter())?;
        let call = self.batch_call(scripts::DEDUCT.call(), id, &packed);
        let call = call.arg(self.progress.pack(&packed.sales)).arg(body);
        let reply = self.run(shard, call).await?;
        decoded("deduct", &reply, |reply| reply::deduction(reply, &packed)).map(|reply| self.record(reply))
    }

    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerError> {
        let call = scripts::CHECK_BACK
            .call()
            .key(self.keys.log(batch))
            .key(self.keys.identity(batch.shard()))
            .arg(format!("{:016x}", batch.nonce()))
            .number(self.retention.log.as_millis())
            .arg(self.expected_ledger());
        let reply = self.run(batch.shard(), call).await?;
        decoded("check_back", &reply, reply::fate)
    }

    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerError> {
        let (id, packed) = (outcome.batch, self.pack_outcome(outcome)?);
        if outcome.orders.iter().all(|order| order.decision == Decision::Confirmed)
            && let Some(settled) = self.settle_confirmed(outcome).await?
        {
            return Ok(settled);
        }
        let call = self
            .batch_call(scripts::SETTLE.call(), id, &packed)
            .arg(pack::states_of(outcome))
            .number(self.retention.log.as_millis())
            .number(self.retention.sale.as_millis())
            .arg(self.keys.events());
        let reply = self.run(id.shard(), call).await?;
        decoded("settle", &reply, |reply| reply::settled(reply, &packed.sales))
            .map(|reply| self.record(reply))
    }
}

impl RedisLedger {
    /// Settles a batch whose orders were all confirmed; `None`, with nothing changed, if the full script is needed.
    async fn settle_confirmed(&self, outcome: &BatchOutcome) -> Result<Option<Settled>, LedgerError> {
        let (id, shard) = (outcome.batch, outcome.batch.shard());
        let Some(shares) = Shares::new(outcome.orders.iter().map(|order| &order.intent)) else {
            return Ok(None);
        };
        let call = scripts::SETTLE_CONFIRMED
            .call()
            .key(self.keys.log(id))
            .key(self.keys.open(shard))
            .key(self.keys.open_orders(shard))
            .key(self.keys.identity(shard))
            .key(self.keys.retired(shard))
            .keys(self.three_of_each(&shares.sales))
            .arg(id.to_string())
            .arg(&*shares.packed)
            .arg(self.expected_ledger())
            .number(self.retention.log.as_millis())
            .number(self.retention.sale.as_millis())
            .arg(self.keys.events());
        let reply = self.run(shard, call).await?;
        let reply =
            decoded("settle_confirmed", &reply, |reply| reply::settled_confirmed(reply, &shares.sales))?;
        Ok(reply.map(|reply| self.record(reply)))
    }
}
