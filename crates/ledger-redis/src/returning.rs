//! Returning units that confirmed orders gave up.

use async_trait::async_trait;
use flashgate_ledger::{CancelledOrder, LedgerError, Returned, Returning, intents::IntentFields};

use super::{RedisLedger, pack, reply, scripts};

#[async_trait]
impl Returning for RedisLedger {
    async fn return_units(&self, order: &CancelledOrder) -> Result<Returned, LedgerError> {
        let (batch, shard, sale) = (order.batch, order.batch.shard(), order.intent.sale());
        let IntentFields { quantity, key, buyer, .. } = IntentFields::of_cancelled(self.keys.shards, order)?;
        let call = scripts::RETURN_UNITS
            .call()
            .key(self.keys.log(batch))
            .key(self.keys.open(shard))
            .key(self.keys.identity(shard))
            .keys(self.keys.three_of(sale))
            .arg(batch.to_string())
            .arg(pack::key_value(order.order, quantity))
            .arg(key.0)
            .arg(buyer.0)
            .arg(self.expected_ledger())
            .arg(self.keys.events())
            .number(u8::from(order.is_written_off));
        let reply = self.run(shard, call, |reply| reply::returned(reply, sale)).await?;
        Ok(self.record(reply))
    }
}
