//! The order store on MySQL 8.0.
//!
//! `apply` is the heart: one transaction a chunk. `plain` is its way when all is well, `careful` the one
//! when stock is short, a key is taken or a batch comes again.

mod apply;
mod books;
mod careful;
mod compensation;
mod dead_letters;
mod fault;
mod identity;
mod plain;
mod repairs;
mod rows;
mod sales;
mod schema;
mod write;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, IdempotencyKey, LedgerId, OrderId, Sale, SaleDraft, SaleId, Timestamp,
    audit::{DecidedBatch, StoreBooks, StoreStep},
};
pub use schema::SchemaFault;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, MySqlPool, SqlSafeStr, SqlStr,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};
use tokio::time::timeout;

use crate::{
    backoff::Backoff,
    config::MySqlConfig,
    mysql::fault::Trouble,
    store::{
        BatchPage, Compensated, Correction, LetterDecision, LetterKey, OrderStore, OutcomePage, OutcomesPage,
        Placed, Registration, RepairDraft, RepairEvent, SaleMade, SalePage, Standing, StoreFault,
        StoreIdentity, StoredOrder, Transition,
    },
};

/// The order store on MySQL.
#[derive(Debug)]
pub struct MySqlStore {
    pool: MySqlPool,
    call_timeout: Duration,
    contention_retries_max: u32,
    backoff: Backoff,
}

impl MySqlStore {
    /// A store that connects when it is first used. `seed` draws the pauses before retries.
    pub fn new(config: &MySqlConfig, seed: u64) -> Self {
        let lock_wait_s = config.lock_wait_timeout_s.get();
        let pool = MySqlPoolOptions::new()
            .max_connections(config.connections_max.get())
            .acquire_timeout(config.acquire_timeout())
            // A ping before each use would cost every chunk a round trip; a dead connection ends as a retry.
            .test_before_acquire(false)
            .after_connect(move |connection, _metadata| Box::pin(prepare_session(connection, lock_wait_s)))
            .connect_lazy_with(options(config));
        Self {
            pool,
            call_timeout: config.call_timeout(),
            contention_retries_max: config.contention_retries_max,
            backoff: Backoff::new(config.contention_pause_min(), config.contention_pause_max(), seed),
        }
    }

    /// Runs one call within its time-out.
    async fn bounded<T>(&self, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, StoreFault> {
        bounded(self.call_timeout, call).await
    }
}

async fn bounded<T>(
    within: Duration,
    call: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, StoreFault> {
    match timeout(within, call).await {
        Ok(ended) => Ok(ended?),
        Err(elapsed) => Err(StoreFault::Unavailable(elapsed.to_string())),
    }
}

fn options(config: &MySqlConfig) -> MySqlConnectOptions {
    // Logging each statement with its rows would cost more than the statement.
    config.url.options().disable_statement_logging()
}

/// READ COMMITTED: no gap locks in updates and locking reads. The lock wait is shorter than the time-out of a
/// call, so that a wait for a row ends with an error that says so.
async fn prepare_session(connection: &mut MySqlConnection, lock_wait_s: u32) -> sqlx::Result<()> {
    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    sqlx::query("SET SESSION innodb_lock_wait_timeout = ?").bind(lock_wait_s).execute(connection).await?;
    Ok(())
}

/// A text of [`Sized`](crate::statement::Sized), which holds no values.
fn sql(text: &Arc<str>) -> SqlStr {
    AssertSqlSafe(Arc::clone(text)).into_sql_str()
}

#[async_trait]
impl OrderStore for MySqlStore {
    async fn apply(&self, batches: &[Batch], now: Timestamp) -> Result<Vec<Placed>, StoreFault> {
        self.apply_chunk(batches, now).await
    }

    async fn create_sale(&self, draft: &SaleDraft, now: Timestamp) -> Result<Sale, StoreFault> {
        self.bounded(sales::create(&self.pool, None, draft, now)).await
    }

    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        now: Timestamp,
    ) -> Result<SaleMade, StoreFault> {
        self.bounded(sales::create_once(&self.pool, key, draft, now)).await
    }

    async fn preheat_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreFault> {
        self.bounded(sales::preheat(&self.pool, sale, now)).await
    }

    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreFault> {
        self.bounded(sales::confirm_preheat(&self.pool, sale, generation, now)).await
    }

    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreFault> {
        self.bounded(sales::next_generation(&self.pool, sale, generation, now)).await
    }

    async fn close_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreFault> {
        self.bounded(sales::close(&self.pool, sale, now)).await
    }

    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreFault> {
        self.bounded(sales::find(&self.pool, sale)).await
    }

    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreFault> {
        self.bounded(sales::list(&self.pool, page)).await
    }

    async fn order(&self, order: OrderId) -> Result<Option<StoredOrder>, StoreFault> {
        self.bounded(rows::order(&self.pool, order)).await
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreFault> {
        self.bounded(books::outcome(&self.pool, batch)).await
    }

    async fn books(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreBooks>, StoreFault> {
        bounded(books::TIMEOUT, books::of_sale(&self.pool, sale, asked)).await
    }

    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreFault> {
        self.bounded(books::batches(&self.pool, page)).await
    }

    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreFault> {
        self.bounded(books::outcomes(&self.pool, page)).await
    }

    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        now: Timestamp,
    ) -> Result<Option<Compensated>, StoreFault> {
        self.bounded(compensation::of_sale(&self.pool, sale, step, now)).await
    }

    async fn correct_order(&self, correction: &Correction, now: Timestamp) -> Result<bool, StoreFault> {
        self.bounded(compensation::of_order(&self.pool, correction, now)).await
    }

    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreFault> {
        self.bounded(repairs::begin(&self.pool, draft, now)).await
    }

    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreFault> {
        self.bounded(repairs::end(&self.pool, id, after, now)).await
    }

    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreFault> {
        self.bounded(repairs::list(&self.pool, before, size)).await
    }

    async fn decide_letter(
        &self,
        letter: &LetterKey,
        standing: Standing,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreFault> {
        self.bounded(dead_letters::decide(&self.pool, letter, standing, repair_id, now)).await
    }

    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreFault> {
        self.bounded(dead_letters::decision(&self.pool, letter)).await
    }

    async fn identity(&self) -> Result<StoreIdentity, StoreFault> {
        self.bounded(identity::find(&self.pool)).await
    }

    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreFault> {
        self.bounded(identity::register(&self.pool, ledger)).await
    }

    async fn ping(&self) -> Result<(), StoreFault> {
        self.bounded(async { Ok(self.pool.acquire().await?.ping().await?) }).await
    }
}
