//! The ledger on Redis. Each call is one script, which Redis executes exclusively, so that the call is atomic.
//!
//! | module | subject |
//! |---|---|
//! | `selling`, `returning`, `lifecycle`, `watching`, `observing`, `repairing`, `identifying`, `probing` | the traits |
//! | `config` | addresses, timeouts, retention |
//! | `keys` | the names of the keys |
//! | `pack`, `reply` | arguments and replies of the scripts, in bytes |
//! | `scripts` | the scripts (`lua/`), loaded where they are missing |
//! | `login` | passwords and TLS of a connection |
//! | `access` | checks at the start whether the servers refuse this process |
//! | `servers`, `connection` | which server a call goes to, and what a failure proves |
//! | `progress` | detects a server that is behind what this process has seen |
//! | `events` | settlements and returned units of other processes |
//!
//! Redis must not evict (`maxmemory-policy noeviction`), and may lose acknowledged writes unless it runs with
//! `appendfsync always`; `docs/OPERATIONS.md` lists the settings.

mod access;
mod config;
mod connection;
mod events;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod identifying;
mod keys;
mod lifecycle;
mod login;
mod observing;
mod pack;
mod probing;
mod progress;
mod repairing;
mod reply;
mod returning;
mod scripts;
mod selling;
mod servers;
mod watching;

use std::sync::{Arc, OnceLock};

use flashgate_domain::{BatchId, LedgerId, SaleId, Shard};
use flashgate_ledger::{LedgerError, Retention, intents::Intents};
use metrics::{counter, histogram};
use redis::{Cmd, Value};
use tokio::time::Instant;
use tracing::warn;

pub use self::config::{
    InvalidPrefix, InvalidRedisConfig, InvalidUrl, KeyPrefix, LOG_RETENTION_HOURS_MIN, PREFIX_BYTES_MAX,
    RedisConfig, RedisUrl,
};
pub use self::scripts::SCRIPT_NAMES;
use self::{
    keys::Keys,
    progress::ProgressTracker,
    reply::ScriptReply,
    scripts::ScriptCall,
    servers::{KeyLocation, Servers},
};

/// The ledger on one Redis server or on a Redis Cluster.
pub struct RedisLedger {
    servers: Arc<Servers>,
    keys: Keys,
    progress: ProgressTracker,
    /// The ledger that the calls are meant for, once it is known.
    expected_ledger: OnceLock<LedgerId>,
    retention: Retention,
    /// The number of writes after which scripts fail; below 0: never.
    #[cfg(feature = "failpoints")]
    break_off: std::sync::atomic::AtomicI64,
}

impl RedisLedger {
    /// A ledger that connects at the first call.
    pub fn new(config: &RedisConfig) -> Result<Self, InvalidRedisConfig> {
        config.check()?;
        let servers = Servers::new(config)?;
        Ok(Self {
            servers: Arc::new(servers),
            keys: Keys::new(config.prefix.clone(), config.shards),
            progress: ProgressTracker::default(),
            expected_ledger: OnceLock::new(),
            retention: config.retention(),
            #[cfg(feature = "failpoints")]
            break_off: std::sync::atomic::AtomicI64::new(-1),
        })
    }

    /// For tests: from now on each script fails after that many writes, as if Redis had refused a command of it.
    /// `None`: no script does.
    #[cfg(feature = "failpoints")]
    pub fn break_off_after(&self, writes: Option<u32>) {
        self.break_off.store(writes.map_or(-1, i64::from), std::sync::atomic::Ordering::Relaxed);
    }

    /// Sends a command outside of scripts.
    async fn command<T>(
        &self,
        name: &'static str,
        location: KeyLocation,
        command: Cmd,
        decode: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, LedgerError> {
        decoded(name, self.servers.send(name, location, command, None).await, decode)
    }

    /// Runs a script, and records its duration.
    async fn run<T>(
        &self,
        shard: Shard,
        call: ScriptCall,
        decode: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, LedgerError> {
        let name = call.script.name;
        #[cfg(feature = "failpoints")]
        let call = match u32::try_from(self.break_off.load(std::sync::atomic::Ordering::Relaxed)) {
            Ok(writes) => call.broken_off_after(writes),
            Err(_none) => call,
        };
        let started = Instant::now();
        let result = self.servers.send(name, KeyLocation::Shard(shard), call.by_digest(), Some(&call)).await;
        histogram!("flashgate_ledger_script_seconds", "script" => name).record(started.elapsed());
        decoded(name, result.and_then(|reply| reply::other_ledger(&reply).map_or(Ok(reply), Err)), decode)
    }

    async fn run_on_sale<T>(
        &self,
        sale: SaleId,
        call: ScriptCall,
        decode: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, LedgerError> {
        self.run(self.keys.shard_of(sale), call, decode).await
    }

    /// Records the progress of the sales, and reports sales of which the server was behind.
    fn record<T>(&self, reply: ScriptReply<T>) -> T {
        for sale in &reply.stopped {
            counter!("flashgate_ledger_sales_behind_total").increment(1);
            warn!(sale_id = %sale, "Redis lost acknowledged writes of the sale; sale paused; rebuild it");
        }
        self.progress.record(reply.progress);
        reply.answer
    }

    /// The expected ledger as a script argument; empty: a ledger without an identity.
    fn expected_ledger(&self) -> String {
        self.expected_ledger.get().map(LedgerId::to_string).unwrap_or_default()
    }

    fn three_of_each(&self, sales: &[SaleId]) -> impl Iterator<Item = String> {
        sales.iter().flat_map(|sale| self.keys.three_of(*sale))
    }

    /// The keys of a batch's scripts, and its id.
    fn of_batch(&self, call: ScriptCall, id: BatchId, sales: &[SaleId]) -> ScriptCall {
        let shard = id.shard();
        call.key(self.keys.log(id))
            .key(self.keys.open(shard))
            .key(self.keys.open_orders(shard))
            .key(self.keys.identity(shard))
            .key(self.keys.retired(shard))
            .keys(self.three_of_each(sales))
            .arg(id.to_string())
    }

    /// The keys and arguments that `deduct.lua`, `settle.lua` and `restore.lua` share.
    fn batch_call(&self, call: ScriptCall, id: BatchId, intents: &Intents) -> ScriptCall {
        let (sale_ids, packed) = intents.pack();
        self.of_batch(call, id, &intents.sales)
            .arg(id.base().get().to_be_bytes())
            .arg(sale_ids)
            .arg(packed)
            .arg(self.expected_ledger())
    }
}

/// Decodes the reply to a call, and counts its fault.
fn decoded<T>(
    call: &'static str,
    reply: Result<Value, LedgerError>,
    decode: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, LedgerError> {
    let decoded = reply.and_then(|reply| decode(&reply).ok_or_else(|| reply::unknown(call, &reply)));
    decoded.inspect_err(|fault| {
        counter!("flashgate_ledger_faults_total", "call" => call, "fault" => fault.code()).increment(1);
    })
}
