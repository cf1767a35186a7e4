//! Looks into Redis, past the gateways: through the ledger's own crate, and with plain commands.

use std::collections::HashMap;

use flashgate_domain::{BatchId, BuyerDigest, SaleId, Shard, id::ShardCount};
use flashgate_ledger::{Identifying, Observing, Snapshot};
use flashgate_ledger_redis::{RedisConfig, RedisLedger};
use redis::{Client, ClientTlsConfig, Cmd, FromRedisValue, RedisError, TlsCertificates, Value};

use crate::secure::Secure;

/// The ledger of one deployment.
pub struct Stock {
    ledger: RedisLedger,
    url: String,
    prefix: String,
    shards: ShardCount,
    secure: Option<Secure>,
}

/// One plain command on a connection of its own.
pub(crate) async fn raw(url: &str, command: Cmd) -> Result<Value, RedisError> {
    raw_over(Client::open(url)?, command).await
}

async fn raw_over(client: Client, command: Cmd) -> Result<Value, RedisError> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    command.query_async(&mut connection).await
}

impl Stock {
    /// The ledger with that key prefix and that many shards.
    ///
    /// # Panics
    /// If they are not allowed.
    pub fn new(url: &str, prefix: &str, shards: u16) -> Self {
        Self::over(url, prefix, shards, None)
    }

    /// As [`Stock::new`], on a server that may be a secure one.
    ///
    /// # Panics
    /// If they are not allowed.
    pub fn over(url: &str, prefix: &str, shards: u16, secure: Option<&Secure>) -> Self {
        let shards = ShardCount::new(shards).unwrap();
        let mut config = RedisConfig {
            prefix: prefix.parse().unwrap(),
            shards,
            ..RedisConfig::single(url.parse().unwrap())
        };
        if let Some(secure) = secure {
            config.tls = secure.files();
        }
        let ledger = RedisLedger::new(&config).unwrap();
        Self { ledger, url: url.to_owned(), prefix: prefix.to_owned(), shards, secure: secure.cloned() }
    }

    fn client(&self) -> Result<Client, RedisError> {
        let Some(secure) = &self.secure else { return Client::open(&*self.url) };
        let [client_cert, client_key] = secure.client().map(|file| std::fs::read(file).unwrap());
        let root_cert = Some(std::fs::read(secure.authority()).unwrap());
        let client_tls = Some(ClientTlsConfig { client_cert, client_key });
        Client::build_with_tls(&*self.url, TlsCertificates { client_tls, root_cert })
    }

    /// The same ledger on another server.
    ///
    /// # Panics
    /// Never: its names were allowed before.
    pub fn on(&self, url: &str) -> Self {
        Self::new(url, &self.prefix, self.shards.get())
    }

    /// Works for the ledger that is there, as its gateways do.
    ///
    /// # Panics
    /// If Redis does not answer.
    pub async fn join(&self) {
        if let Some(identity) = self.ledger.identity(self.shards.all().next().unwrap()).await.unwrap() {
            self.ledger.expect_ledger(identity.ledger);
        }
    }

    /// The ledger itself: whatever a gateway can do, a test can do.
    pub const fn ledger(&self) -> &RedisLedger {
        &self.ledger
    }

    /// The shard of a sale.
    pub fn shard(&self, sale: SaleId) -> Shard {
        sale.shard(self.shards)
    }

    /// The sale at one moment; `None` if the ledger does not have it.
    ///
    /// # Panics
    /// If Redis does not answer.
    pub async fn snapshot(&self, sale: SaleId) -> Option<Snapshot> {
        self.ledger.snapshot(sale).await.unwrap()
    }

    /// What each buyer holds, read from the hash itself.
    ///
    /// # Panics
    /// If Redis does not answer, or holds something else.
    pub async fn held(&self, sale: SaleId) -> HashMap<BuyerDigest, u64> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.key(self.shard(sale), &format!("held:{sale}")));
        let held: HashMap<Vec<u8>, u64> = self.query(command).await;
        let digest = |bytes: Vec<u8>| BuyerDigest(bytes.try_into().expect("16 bytes"));
        held.into_iter().map(|(buyer, units)| (digest(buyer), units)).collect()
    }

    /// How many orders of the sale are deducted and not settled, as its hash counts them.
    ///
    /// # Panics
    /// If Redis does not answer, or does not have the sale.
    pub async fn pending_orders(&self, sale: SaleId) -> u64 {
        let mut command = redis::cmd("HGET");
        command.arg(self.key(self.shard(sale), &format!("sale:{sale}"))).arg("pending_orders");
        self.query(command).await
    }

    /// Deletes the log entry of a batch, as no part of flashgate ever does; whether it was there.
    ///
    /// # Panics
    /// If Redis does not answer.
    pub async fn delete_log_entry(&self, batch: BatchId) -> bool {
        let mut command = redis::cmd("DEL");
        command.arg(self.key(batch.shard(), &format!("log:{:016x}", batch.base().get())));
        self.query(command).await
    }

    /// The key of that name in that shard.
    pub fn key(&self, shard: Shard, name: &str) -> String {
        format!("{}:{{s{shard}}}:{name}", self.prefix)
    }

    /// One plain command.
    ///
    /// # Panics
    /// If Redis refuses it, or answers something else.
    pub async fn query<T: FromRedisValue>(&self, command: Cmd) -> T {
        let value = raw_over(self.client().unwrap(), command).await.expect("Redis answers");
        T::from_redis_value(value).unwrap()
    }

    /// FLUSHALL: only on a server of the test's own.
    pub async fn flush_all(&self) {
        let () = self.query(redis::cmd("FLUSHALL")).await;
    }

    /// Removes the deployment's keys.
    pub(crate) async fn remove_all(&self) {
        let mut cursor: u64 = 0;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}:*", self.prefix)).arg("COUNT").arg(1_000);
            let (next, keys): (u64, Vec<Vec<u8>>) = self.query(scan).await;
            if !keys.is_empty() {
                let mut unlink = redis::cmd("UNLINK");
                unlink.arg(keys);
                let _removed: u64 = self.query(unlink).await;
            }
            cursor = next;
            if cursor == 0 {
                return;
            }
        }
    }
}
