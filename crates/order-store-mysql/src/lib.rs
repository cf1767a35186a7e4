//! The order store on MySQL 8.0.
//!
//! `apply` decides a chunk in one transaction: on the `fast_path` if every order can be confirmed, on the `slow_path`
//! if stock is short, a key is taken or a batch is repeated.
//!
//! Connections come from `pool` and not from the pool of sqlx, which waits without a limit for one that is dead.

mod abandoned;
mod apply;
mod compensation;
mod connector;
mod dead_letters;
mod driver;
mod fast_path;
mod fault;
mod identity;
mod locked;
mod pool;
mod repairs;
mod rows;
mod sales;
mod schema;
mod session;
mod slow_path;
mod snapshot;
mod write;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
pub use driver::MySql;
use flashgate_domain::{
    Backoff, Batch, BatchId, BatchOutcome, IdempotencyKey, LedgerId, Order, OrderId, Sale, SaleDraft, SaleId,
    Timestamp,
    audit::{BuyerUnits, DecidedBatch, StoreSnapshot, StoreStep},
};
use flashgate_order_store::{
    BatchPage, BuyerPage, Compensated, Correction, DeploymentRepository, LetterDecision, LetterKey,
    LetterStatus, OrderRepository, OutcomePage, OutcomesPage, Placed, Registration, RepairDraft, RepairEvent,
    RepairRepository, SaleMade, SalePage, SaleRepository, SnapshotRepository, StoreError, StoreIdentity,
    Transition,
    server::{ServerAccess, ServerSettings},
    sql::columns::InvalidColumn,
};
use flashgate_supervision::Supervisor;
use pool::Pool;
use sqlx::{AssertSqlSafe, MySqlConnection, SqlSafeStr, SqlStr, mysql::MySqlConnectOptions};
use tokio::time::timeout;

use crate::{connector::Connector, fault::QueryError};

/// The order store on MySQL.
#[derive(Debug)]
pub struct MySqlStore {
    pool: Pool,
    call_timeout: Duration,
    contention_retries_max: u32,
    backoff: Backoff,
}

impl MySqlStore {
    /// A store that connects at the first call. `seed` draws the pauses before retries; `supervisor` watches the task
    /// that kills abandoned sessions.
    pub fn new(
        options: MySqlConnectOptions,
        settings: &ServerSettings,
        seed: u64,
        supervisor: Supervisor,
    ) -> Self {
        Self::over(Connector::new(options, ServerAccess::default()), settings, seed, supervisor)
    }

    /// As [`MySqlStore::new`], over a connector.
    pub(crate) fn over(
        connector: Connector,
        settings: &ServerSettings,
        seed: u64,
        supervisor: Supervisor,
    ) -> Self {
        let (pause_min, pause_max) = (settings.contention_backoff_min, settings.contention_backoff_max);
        Self {
            pool: Pool::new(settings, connector, supervisor),
            call_timeout: settings.call_timeout,
            contention_retries_max: settings.contention_retries_max,
            backoff: Backoff::new(pause_min, pause_max, seed),
        }
    }
}

/// Lends a connection to one call and takes it back, unless the call timed out or the connection broke.
macro_rules! lend {
    ($store:expr, $within:expr, |$connection:ident| $call:expr) => {
        match $store.pool.lease().await {
            Ok(mut lease) => {
                let $connection = lease.connection();
                let ended = within($within, $call).await;
                lease.end(ended).await
            }
            Err(error) => Err(error),
        }
    };
}
use lend;

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    timeout(limit, call).await.unwrap_or(Err(QueryError::Late(limit)))
}

/// Timeout of a health check, which writes one row: a server that takes longer counts as down.
const HEALTH_CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// The time by the server's clock, in milliseconds since 1970.
const NOW_MS: &str = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)";
const HEALTH_CHECK: &str = include_str!("../sql/health_check.sql");

/// Writes a row, as the work does: a read-only server is the wrong one.
async fn health_check(connection: &mut MySqlConnection) -> Result<Timestamp, QueryError> {
    if sqlx::query(HEALTH_CHECK).execute(&mut *connection).await?.rows_affected() != 1 {
        return Err(InvalidColumn("number of rows for health checks").into());
    }
    let (now,): (u64,) = sqlx::query_as(NOW_MS).fetch_one(connection).await?;
    Ok(Timestamp::from_millis(now))
}

/// A text of [`Sized`](flashgate_order_store::sql::statement::Sized), which contains no values.
fn sql(text: &Arc<str>) -> SqlStr {
    AssertSqlSafe(Arc::clone(text)).into_sql_str()
}

#[async_trait]
impl OrderRepository for MySqlStore {
    async fn apply(&self, batches: &[Batch], now: Timestamp) -> Result<Vec<Placed>, StoreError> {
        self.apply_chunk(batches, now).await
    }

    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| rows::order(connection, order))?)
    }

    async fn locked_sales(&self, sales: &[SaleId]) -> Result<Vec<SaleId>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| locked::among(connection, sales))?)
    }
}

#[async_trait]
impl SaleRepository for MySqlStore {
    async fn create_sale(&self, draft: &SaleDraft, now: Timestamp) -> Result<Sale, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| sales::create(connection, None, draft, now))?)
    }

    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        now: Timestamp,
    ) -> Result<SaleMade, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| sales::create_once(connection, key, draft, now))?)
    }

    async fn preheat_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| sales::preheat(connection, sale, now))?)
    }

    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| sales::confirm_preheat(
            connection, sale, generation, now
        ))?)
    }

    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| sales::next_generation(
            connection, sale, generation, now
        ))?)
    }

    async fn close_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| sales::close(connection, sale, now))?)
    }

    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| sales::find(connection, sale))?)
    }

    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| sales::list(connection, page))?)
    }
}

#[async_trait]
impl SnapshotRepository for MySqlStore {
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, StoreError> {
        Ok(lend!(self, snapshot::TIMEOUT, |connection| snapshot::of_sale(connection, sale, asked))?)
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| snapshot::outcome(connection, batch))?)
    }

    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| snapshot::batches(connection, page))?)
    }

    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreError> {
        Ok(lend!(self, snapshot::TIMEOUT, |connection| snapshot::outcomes(connection, page))?)
    }

    async fn buyers(&self, page: &BuyerPage) -> Result<Vec<BuyerUnits>, StoreError> {
        Ok(lend!(self, snapshot::TIMEOUT, |connection| snapshot::buyers(connection, page))?)
    }
}

#[async_trait]
impl RepairRepository for MySqlStore {
    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        now: Timestamp,
    ) -> Result<Option<Compensated>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| compensation::of_sale(connection, sale, step, now))?)
    }

    async fn correct_order(&self, correction: &Correction, now: Timestamp) -> Result<bool, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| compensation::of_order(connection, correction, now))?)
    }

    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| repairs::begin(connection, draft, now))?)
    }

    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| repairs::end(connection, id, after, now))?)
    }

    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| repairs::list(connection, before, size))?)
    }

    async fn decide_letter(
        &self,
        letter: &LetterKey,
        status: LetterStatus,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| dead_letters::decide(
            connection, letter, status, repair_id, now
        ))?)
    }

    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| dead_letters::decision(connection, letter))?)
    }
}

#[async_trait]
impl DeploymentRepository for MySqlStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| identity::find(connection))?)
    }

    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| identity::register(connection, ledger))?)
    }

    async fn ping(&self) -> Result<Timestamp, StoreError> {
        let check = async { lend!(self, self.call_timeout, |connection| health_check(connection)) };
        Ok(within(HEALTH_CHECK_TIMEOUT, check).await?)
    }
}
