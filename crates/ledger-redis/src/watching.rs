//! What gateways cache: stocks, keys, and the events of other processes.

use std::sync::Arc;

use async_trait::async_trait;
use flashgate_domain::SaleId;
use flashgate_ledger::{LedgerError, LedgerEvent, SaleStock, Watching};
use futures::stream::BoxStream;

use super::{RedisLedger, events, reply, servers::KeyLocation};

/// Maximum keys per step of [`Watching::keys`]: at most a millisecond of Redis.
const KEYS_STEP: usize = 1_000;

#[async_trait]
impl Watching for RedisLedger {
    async fn stock(&self, sale: SaleId) -> Result<Option<SaleStock>, LedgerError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.sale(sale)).arg("available").arg("epoch");
        let home = KeyLocation::Shard(self.keys.shard_of(sale));
        self.command("stock", home, command, |reply| reply::stock_of(reply, sale)).await
    }

    async fn keys(&self, sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerError> {
        let (key, location) = (self.keys.keys(sale), KeyLocation::Shard(self.keys.shard_of(sale)));
        let (mut found, mut cursor) = (Vec::new(), 0);
        loop {
            let mut command = redis::cmd("HSCAN");
            command.arg(&key).arg(cursor).arg("COUNT").arg(KEYS_STEP);
            cursor =
                self.command("keys", location, command, |reply| reply::scanned(reply, &mut found)).await?;
            if cursor == 0 {
                break;
            }
        }
        // A hash that grows during the scan may return a key twice.
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    async fn events(&self) -> Result<BoxStream<'static, LedgerEvent>, LedgerError> {
        events::subscribe(Arc::clone(&self.servers), self.keys.events()).await
    }
}
