//! The ledger on Redis: one script a call, in which Redis does nothing else, so that it happens whole.
//!
//! | module | subject |
//! |---|---|
//! | `config` | where Redis is, how long to wait, how long to keep |
//! | `keys` | the names of the keys |
//! | `pack`, `reply` | arguments and answers of the scripts, in bytes |
//! | `scripts` | the scripts (`lua/`), loaded where they are missing |
//! | `servers`, `connection` | which server a call goes to, and what a failure proves |
//! | `seen` | notices a server that is behind what this process has seen |
//! | `notes` | what other processes settled |
//!
//! Redis must not evict (`maxmemory-policy noeviction`), and acknowledges what it may yet lose unless it runs
//! with `appendfsync always`; `docs/OPERATIONS.md` tells which settings to use.

mod config;
mod connection;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod keys;
mod notes;
mod pack;
mod reply;
mod scripts;
mod seen;
mod servers;

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use flashgate_domain::id::BATCH_INTENTS_MAX;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerDigest, Decision, Intent, LedgerId, Node, OrderId, Sale, SaleId,
    Shard, Timestamp, audit::LedgerStep,
};
use flashgate_ledger::{
    Activated, Compensated, Deduction, Fate, Ledger, LedgerFault, LedgerIdentity, LedgerOrder, LogEntry,
    Note, Prepared, Rebuilding, Rebuilt, Restored, Retention, Screening, Settled, Snapshot, Standing,
};
use futures::stream::BoxStream;
use metrics::{counter, histogram};
use redis::{Cmd, Value};
use tokio::time::Instant;
use tracing::warn;

pub use self::config::{
    InvalidPrefix, InvalidRedisConfig, InvalidUrl, KeyPrefix, LOG_RETENTION_HOURS_MIN, PREFIX_BYTES_MAX,
    RedisConfig, RedisUrl,
};
use self::{
    keys::Keys,
    pack::{Packed, Shares},
    reply::{SnapshotPage, Told},
    scripts::ScriptCall,
    seen::Seen,
    servers::{Place, Servers},
};

/// How many keys one step of [`Ledger::keys`] asks for: a millisecond of Redis at most.
const KEYS_STEP: usize = 1_000;
/// How many open batches one step of [`Ledger::snapshot`] looks at: a millisecond of Redis at most.
const SNAPSHOT_STEP: usize = 512;
/// How many sales one call of [`Ledger::sweep`] frees in a shard.
const SWEEP_STEP: usize = 16;
/// The only policy with which no part of the ledger is thrown away.
const NO_EVICTION: &str = "noeviction";

/// The ledger on one Redis server or on a Redis Cluster.
pub struct RedisLedger {
    servers: Arc<Servers>,
    keys: Keys,
    seen: Seen,
    /// The ledger that the calls are meant for, once it is known.
    meant: OnceLock<LedgerId>,
    retention: Retention,
    /// After how many writes scripts are broken off; below 0: they are not.
    #[cfg(feature = "failpoints")]
    break_off: std::sync::atomic::AtomicI64,
}

impl RedisLedger {
    /// A ledger that connects when it is first used.
    pub fn new(config: &RedisConfig) -> Result<Self, InvalidRedisConfig> {
        if config.urls.len() > 1 && !config.cluster {
            return Err(InvalidRedisConfig::ManyUrls);
        }
        if config.log_retention_hours.get() < LOG_RETENTION_HOURS_MIN {
            return Err(InvalidRedisConfig::ShortLog);
        }
        let servers = Servers::new(config).map_err(InvalidRedisConfig::Url)?;
        Ok(Self {
            servers: Arc::new(servers),
            keys: Keys::new(config.prefix.clone(), config.shards),
            seen: Seen::default(),
            meant: OnceLock::new(),
            retention: config.retention(),
            #[cfg(feature = "failpoints")]
            break_off: std::sync::atomic::AtomicI64::new(-1),
        })
    }

    /// For tests: from now on each script fails after that many writes, as if a command of it were refused. `None`: none
    /// does.
    #[cfg(feature = "failpoints")]
    pub fn break_off_after(&self, writes: Option<u32>) {
        self.break_off.store(writes.map_or(-1, i64::from), std::sync::atomic::Ordering::Relaxed);
    }

    /// Sends a plain command, with its fault counted.
    async fn command(&self, name: &'static str, place: Place, command: Cmd) -> Result<Value, LedgerFault> {
        self.servers.command(name, place, command).await.inspect_err(|fault| count_fault(name, fault))
    }

    /// Runs a script, with its time taken and its fault counted.
    async fn run(&self, shard: Shard, call: ScriptCall) -> Result<Value, LedgerFault> {
        let name = call.script.name;
        #[cfg(feature = "failpoints")]
        let call = match u32::try_from(self.break_off.load(std::sync::atomic::Ordering::Relaxed)) {
            Ok(writes) => call.broken_off_after(writes),
            Err(_none) => call,
        };
        let started = Instant::now();
        let result = self.servers.run(Place::Shard(shard), &call).await;
        histogram!("flashgate_ledger_script_seconds", "script" => name).record(started.elapsed());
        let result = result.and_then(|reply| reply::other_ledger(&reply).map_or(Ok(reply), Err));
        result.inspect_err(|fault| count_fault(name, fault))
    }

    async fn run_on_sale<T>(
        &self,
        sale: SaleId,
        call: ScriptCall,
        decode: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, LedgerFault> {
        let name = call.script.name;
        let reply = self.run(self.keys.shard_of(sale), call).await?;
        decoded(name, &reply, decode)
    }

    /// Packs intents whose sales must all be of the shard.
    fn pack<'a>(
        &self,
        shard: Shard,
        intents: impl ExactSizeIterator<Item = &'a Intent>,
    ) -> Result<Packed, LedgerFault> {
        let count = intents.len();
        let packed = Packed::new(intents).filter(|_packed| (1..=BATCH_INTENTS_MAX).contains(&count));
        let packed = packed
            .ok_or_else(|| LedgerFault::Refused(format!("{count} intents, not 1 to {BATCH_INTENTS_MAX}")))?;
        match packed.sales.iter().find(|sale| self.keys.shard_of(**sale) != shard) {
            Some(sale) => Err(LedgerFault::Refused(format!("sale {sale} is not of shard {shard}"))),
            None => Ok(packed),
        }
    }

    /// Remembers how far the sales have come, and makes it known if a server was behind.
    fn take_in<T>(&self, told: Told<T>) -> T {
        for sale in &told.stopped {
            counter!("flashgate_ledger_sales_behind_total").increment(1);
            warn!(%sale, "Redis has lost a part of the sale that it had acknowledged; the sale is paused");
        }
        self.seen.record(told.progress);
        told.answer
    }

    /// The ledger that the calls are meant for, as the scripts take it; empty: one without an identity.
    fn meant(&self) -> String {
        self.meant.get().map(LedgerId::to_string).unwrap_or_default()
    }

    fn three_of_each(&self, sales: &[SaleId]) -> impl Iterator<Item = String> {
        sales.iter().flat_map(|sale| self.keys.three_of(*sale))
    }
}

fn count_fault(call: &'static str, fault: &LedgerFault) {
    counter!("flashgate_ledger_faults_total", "call" => call, "fault" => fault.code()).increment(1);
}

fn decoded<T>(
    call: &'static str,
    reply: &Value,
    decode: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, LedgerFault> {
    let unknown = || reply::unknown(call, reply);
    decode(reply).ok_or_else(unknown).inspect_err(|fault| count_fault(call, fault))
}

#[async_trait]
impl Ledger for RedisLedger {
    async fn identity(&self, shard: Shard) -> Result<Option<LedgerIdentity>, LedgerFault> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.identity(shard)).arg(&["ledger", "store"]);
        let reply = self.command("identity", Place::Shard(shard), command).await?;
        decoded("identity", &reply, reply::identity)
    }

    async fn establish(&self, shard: Shard, identity: LedgerIdentity) -> Result<LedgerIdentity, LedgerFault> {
        let call = scripts::ESTABLISH
            .call()
            .key(self.keys.identity(shard))
            .arg(identity.ledger.to_string())
            .arg(identity.store.to_string());
        let reply = self.run(shard, call).await?;
        decoded("establish", &reply, |reply| reply::identity(reply).flatten())
    }

    fn mean(&self, ledger: LedgerId) {
        let _the_first_one_holds = self.meant.set(ledger);
    }

    async fn next_node(&self) -> Result<Node, LedgerFault> {
        let mut command = redis::cmd("INCR");
        command.arg(self.keys.nodes());
        let reply = self.command("next_node", Place::Nodes, command).await?;
        decoded("next_node", &reply, reply::started)
    }

    async fn prepare(&self, sale: &Sale) -> Result<Prepared, LedgerFault> {
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

    async fn activate(&self, sale: SaleId, generation: u32) -> Result<Activated, LedgerFault> {
        let call = scripts::ACTIVATE.call().key(self.keys.sale(sale)).number(generation);
        self.run_on_sale(sale, call, reply::activated).await
    }

    async fn pause(&self, sale: SaleId) -> Result<(), LedgerFault> {
        let call = scripts::PAUSE.call().key(self.keys.sale(sale));
        self.run_on_sale(sale, call, reply::stopped).await
    }

    async fn close(&self, sale: SaleId) -> Result<(), LedgerFault> {
        let call = scripts::CLOSE
            .call()
            .key(self.keys.sale(sale))
            .key(self.keys.retired(self.keys.shard_of(sale)))
            .number(self.retention.sale.as_millis());
        self.run_on_sale(sale, call, reply::stopped).await?;
        self.seen.forget(sale);
        Ok(())
    }

    async fn screen(&self, shard: Shard, intents: &[Intent]) -> Result<Screening, LedgerFault> {
        let packed = self.pack(shard, intents.iter())?;
        let call = scripts::SCREEN
            .call()
            .key(self.keys.open_orders(shard))
            .key(self.keys.identity(shard))
            .keys(self.three_of_each(&packed.sales))
            .arg(&*packed.intents)
            .arg(self.seen.pack(&packed.sales))
            .arg(self.meant());
        let reply = self.run(shard, call).await?;
        decoded("screen", &reply, |reply| reply::screening(reply, &packed)).map(|told| self.take_in(told))
    }

    async fn deduct(&self, batch: &Batch, body: &[u8]) -> Result<Deduction, LedgerFault> {
        let (id, shard) = (batch.id(), batch.id().shard());
        let packed = self.pack(shard, batch.intents().iter())?;
        let call = self.batch_call(scripts::DEDUCT.call(), id, &packed);
        let call = call.arg(self.seen.pack(&packed.sales)).arg(body);
        let reply = self.run(shard, call).await?;
        decoded("deduct", &reply, |reply| reply::deduction(reply, &packed)).map(|told| self.take_in(told))
    }

    async fn check_back(&self, batch: BatchId) -> Result<Fate, LedgerFault> {
        let call = scripts::CHECK_BACK
            .call()
            .key(self.keys.log(batch))
            .key(self.keys.identity(batch.shard()))
            .arg(format!("{:016x}", batch.nonce()))
            .number(self.retention.log.as_millis())
            .arg(self.meant());
        let reply = self.run(batch.shard(), call).await?;
        decoded("check_back", &reply, reply::fate)
    }

    async fn settle(&self, outcome: &BatchOutcome) -> Result<Settled, LedgerFault> {
        let (id, packed) = (outcome.batch, self.pack_outcome(outcome)?);
        if outcome.orders.iter().all(|order| order.decision == Decision::Confirmed)
            && let Some(settled) = self.settle_confirmed(outcome).await?
        {
            return Ok(settled);
        }
        let call = self
            .batch_call(scripts::SETTLE.call(), id, &packed)
            .arg(states_of(outcome))
            .number(self.retention.log.as_millis())
            .number(self.retention.sale.as_millis())
            .arg(self.keys.notes());
        let reply = self.run(id.shard(), call).await?;
        decoded("settle", &reply, |reply| reply::settled(reply, &packed.sales)).map(|told| self.take_in(told))
    }

    async fn begin_rebuild(&self, sale: &Sale) -> Result<Rebuilding, LedgerFault> {
        match self.rebuild(sale, None).await? {
            Rebuilding::Open { orders } => {
                // A script that was broken off leaves too many counted as pending. The log tells what is open.
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
    ) -> Result<Restored, LedgerFault> {
        let (id, packed) = (outcome.batch, self.pack_outcome(outcome)?);
        let Some(number) = packed.sales.iter().position(|other| *other == sale) else {
            return Err(LedgerFault::Refused(format!("batch {id} has no order of sale {sale}")));
        };
        let call = self
            .batch_call(scripts::RESTORE.call(), id, &packed)
            .arg(states_of(outcome))
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
    ) -> Result<Rebuilt, LedgerFault> {
        let call = scripts::RESUME.call().keys(self.keys.three_of(sale)).number(generation).number(available);
        self.run_on_sale(sale, call, reply::rebuilt).await
    }

    async fn compensate(&self, sale: SaleId, step: &LedgerStep) -> Result<Compensated, LedgerFault> {
        let call = scripts::COMPENSATE
            .call()
            .key(self.keys.sale(sale))
            .number(step.generation)
            .number(step.adjustments)
            .number(step.in_ledger)
            .number(step.across)
            .arg(self.keys.notes());
        let told = self.run_on_sale(sale, call, |reply| reply::compensated(reply, sale)).await?;
        Ok(self.take_in(told))
    }

    async fn order(&self, order: OrderId) -> Result<Option<LedgerOrder>, LedgerFault> {
        let call = scripts::ORDER.call().key(self.keys.log_of(order)).number(order.index());
        let reply = self.run(order.shard(), call).await?;
        decoded("order", &reply, reply::order)
    }

    async fn entry(&self, batch: BatchId) -> Result<Option<LogEntry>, LedgerFault> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.log(batch)).arg(&["status", "nonce", "sales", "intents", "states"]);
        let reply = self.command("entry", Place::Shard(batch.shard()), command).await?;
        decoded("entry", &reply, |reply| reply::entry(reply, batch))
    }

    async fn message(&self, batch: BatchId) -> Result<Option<Vec<u8>>, LedgerFault> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.log(batch)).arg(&["status", "nonce", "body"]);
        let reply = self.command("message", Place::Shard(batch.shard()), command).await?;
        decoded("message", &reply, |reply| reply::message(reply, batch))
    }

    async fn snapshot(&self, sale: SaleId) -> Result<Option<Snapshot>, LedgerFault> {
        let shard = self.keys.shard_of(sale);
        let (mut from, mut step) = (None, SNAPSHOT_STEP);
        let (mut open, mut lost, mut known) = (Vec::new(), Vec::new(), HashSet::new());
        loop {
            let call = scripts::SNAPSHOT
                .call()
                .keys(self.keys.three_of(sale))
                .key(self.keys.open(shard))
                .arg(sale.get().to_be_bytes())
                .arg(self.keys.log_prefix(shard))
                .arg(from.map_or("-inf".to_owned(), |at: Timestamp| at.as_millis().to_string()))
                .number(step);
            let Some(SnapshotPage { snapshot, next_from }) =
                self.run_on_sale(sale, call, reply::snapshot).await?
            else {
                return Ok(None);
            };
            // A page begins with the moment at which the one before ended.
            open.extend(snapshot.open.iter().filter(|batch| known.insert(batch.id)));
            lost.extend(snapshot.lost.iter().filter(|batch| known.insert(batch.batch)));
            if next_from.is_none() {
                return Ok(Some(Snapshot { open, lost, ..snapshot }));
            }
            // More batches of one moment than a page has: a larger page.
            step = if next_from == from { step.saturating_mul(2) } else { SNAPSHOT_STEP };
            from = next_from;
        }
    }

    async fn standing(&self, sale: SaleId) -> Result<Option<Standing>, LedgerFault> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.sale(sale)).arg("available").arg("epoch");
        let reply = self.command("standing", Place::Shard(self.keys.shard_of(sale)), command).await?;
        decoded("standing", &reply, |reply| reply::standing_of(reply, sale))
    }

    async fn keys(&self, sale: SaleId) -> Result<Vec<[u8; 8]>, LedgerFault> {
        let (key, place) = (self.keys.keys(sale), Place::Shard(self.keys.shard_of(sale)));
        let (mut found, mut cursor) = (Vec::new(), 0);
        loop {
            let mut command = redis::cmd("HSCAN");
            command.arg(&key).arg(cursor).arg("COUNT").arg(KEYS_STEP);
            let reply = self.command("keys", place, command).await?;
            cursor = decoded("keys", &reply, |reply| reply::scanned(reply, &mut found))?;
            if cursor == 0 {
                break;
            }
        }
        // A hash that grows while it is scanned may show a key twice.
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    async fn notes(&self) -> Result<BoxStream<'static, Note>, LedgerFault> {
        notes::subscribe(Arc::clone(&self.servers), self.keys.notes()).await
    }

    async fn holdings(&self, sale: SaleId, buyers: &[BuyerDigest]) -> Result<Vec<u64>, LedgerFault> {
        if buyers.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.held(sale));
        for buyer in buyers {
            command.arg(&buyer.0);
        }
        let reply = self.command("holdings", Place::Shard(self.keys.shard_of(sale)), command).await?;
        let units = decoded("holdings", &reply, reply::holdings)?;
        if units.len() != buyers.len() {
            return Err(reply::unknown("holdings", &reply));
        }
        Ok(units)
    }

    async fn sweep(&self) -> Result<u64, LedgerFault> {
        let mut freed = 0;
        for shard in self.keys.shards() {
            let retired = self.keys.retired(shard);
            let mut command = redis::cmd("ZRANGE");
            command.arg(&retired).arg(0).arg(SWEEP_STEP.saturating_sub(1));
            let reply = self.command("sweep", Place::Shard(shard), command).await?;
            for sale in decoded("sweep", &reply, reply::sale_ids)? {
                let call =
                    scripts::SWEEP.call().key(retired.clone()).keys(self.keys.three_of(sale)).number(sale);
                freed += self.run_on_sale(sale, call, reply::swept).await?;
            }
        }
        Ok(freed)
    }

    async fn time(&self) -> Result<Timestamp, LedgerFault> {
        // That of any server will do: their clocks are set alike, and each judges the windows of its own sales.
        let reply = self.command("time", Place::Nodes, redis::cmd("TIME")).await?;
        decoded("time", &reply, reply::time)
    }

    async fn ping(&self) -> Result<(), LedgerFault> {
        for shard in self.keys.shards() {
            self.ping_shard(shard).await?;
        }
        Ok(())
    }

    async fn ping_shard(&self, shard: Shard) -> Result<(), LedgerFault> {
        let call = scripts::PROBE.call().key(self.keys.health(shard)).arg(self.keys.notes());
        let reply = self.run(shard, call).await?;
        let errors = decoded("probe", &reply, reply::probed)?;
        if !errors.is_empty() {
            return Err(LedgerFault::Refused(errors.join("; ")));
        }
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let reply = self.command("info", Place::Shard(shard), command).await?;
        let policy = decoded("info", &reply, reply::eviction_policy)?;
        if policy != NO_EVICTION {
            return Err(LedgerFault::Refused(format!(
                "maxmemory-policy is {policy}, and must be {NO_EVICTION}"
            )));
        }
        Ok(())
    }
}

/// One character an order.
fn states_of(outcome: &BatchOutcome) -> Vec<u8> {
    outcome.orders.iter().map(|order| pack::decision_byte(order.decision)).collect()
}

impl RedisLedger {
    /// Begins a rebuild. `settled_at`: the sequence at which no open batch had orders of the sale.
    async fn rebuild(&self, sale: &Sale, settled_at: Option<u64>) -> Result<Rebuilding, LedgerFault> {
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
            .number(sale.returned)
            .number(sale.rebuild_epoch())
            .arg(settled_at.map(|sequence| sequence.to_string()).unwrap_or_default());
        self.run_on_sale(sale.id, call, reply::rebuilding).await
    }

    /// Packs the intents of an outcome, which must be whole.
    fn pack_outcome(&self, outcome: &BatchOutcome) -> Result<Packed, LedgerFault> {
        let id = outcome.batch;
        let complete = outcome.orders.iter().enumerate().all(|(at, order)| id.order(at) == Some(order.order));
        if !complete {
            return Err(LedgerFault::Refused(format!("the outcome of batch {id} is not of its orders")));
        }
        self.pack(id.shard(), outcome.orders.iter().map(|order| &order.intent))
    }

    /// Settles a batch whose orders were all confirmed; `None`, and nothing changed, if there is more to it.
    async fn settle_confirmed(&self, outcome: &BatchOutcome) -> Result<Option<Settled>, LedgerFault> {
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
            .arg(self.meant())
            .number(self.retention.log.as_millis())
            .number(self.retention.sale.as_millis())
            .arg(self.keys.notes());
        let reply = self.run(shard, call).await?;
        let told =
            decoded("settle_confirmed", &reply, |reply| reply::settled_confirmed(reply, &shares.sales))?;
        Ok(told.map(|told| self.take_in(told)))
    }

    /// What `deduct.lua`, `settle.lua` and `restore.lua` have in common: the keys of the batch, and its intents.
    fn batch_call(&self, call: ScriptCall, id: BatchId, packed: &Packed) -> ScriptCall {
        let shard = id.shard();
        call.key(self.keys.log(id))
            .key(self.keys.open(shard))
            .key(self.keys.open_orders(shard))
            .key(self.keys.identity(shard))
            .key(self.keys.retired(shard))
            .keys(self.three_of_each(&packed.sales))
            .arg(id.to_string())
            .arg(id.base().get().to_be_bytes())
            .arg(packed.sale_ids())
            .arg(&*packed.intents)
            .arg(self.meant())
    }
}
