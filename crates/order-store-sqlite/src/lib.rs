//! The order store on SQLite, for the embedded mode: one file, one connection, one thread.
//!
//! A commit is on the disk before it is acknowledged (a write-ahead log, synchronous FULL), so a killed process loses
//! nothing that it acknowledged. No other process can open the file meanwhile: what the thread reads stays valid until
//! it writes, and no transaction ever waits for another or is retried.

mod apply;
mod compensation;
mod dead_letters;
mod fault;
mod identity;
mod open;
mod repairs;
mod rows;
mod sales;
mod schema;
mod settings;
mod snapshot;
mod thread;
mod write;

use std::path::PathBuf;

use async_trait::async_trait;
use fault::QueryError;
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, Clock, IdempotencyKey, LedgerId, Order, OrderId, Sale, SaleDraft, SaleId,
    SystemClock, Timestamp,
    audit::{BuyerUnits, DecidedBatch, StoreSnapshot, StoreStep},
};
use flashgate_order_store::{
    BatchPage, BuyerPage, Compensated, Correction, DeploymentRepository, LetterDecision, LetterKey,
    LetterStatus, OrderRepository, OutcomePage, OutcomesPage, Placed, Registration, RepairDraft, RepairEvent,
    RepairRepository, SaleMade, SalePage, SaleRepository, SnapshotRepository, StoreError, StoreIdentity,
    Transition, sql::columns::InvalidColumn, triage::in_the_order_of,
};
pub use open::OpenError;
use rusqlite::Connection;
pub use settings::SqliteSettings;
use thread::Thread;

/// The order store on SQLite.
///
/// Dropping it closes the file too, but later and without reporting errors; [`SqliteStore::shutdown`] waits.
#[derive(Debug)]
pub struct SqliteStore {
    thread: Thread,
}

impl SqliteStore {
    /// Opens the file at `path`, or creates it, and migrates it to the schema of this version. Its folder must exist.
    /// Reads the whole file once, to check whether it is damaged.
    ///
    /// # Errors
    /// What an operator must mend. A file that was there is as it was.
    pub async fn open(path: impl Into<PathBuf>, settings: SqliteSettings) -> Result<Self, OpenError> {
        Ok(Self { thread: Thread::start(path.into(), settings).await? })
    }

    /// Changes the maximum size of the file (`file_bytes_max`), without closing it. A file that is already larger
    /// keeps its size and does not grow.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn limit_file(&self, bytes_max: Option<u64>) -> Result<(), StoreError> {
        self.thread.call(move |connection| Ok(settings::limit_file(connection, bytes_max)?)).await
    }

    /// Finishes the waiting calls and closes the file. Later calls are refused as unavailable.
    pub async fn shutdown(&self) {
        self.thread.shutdown().await;
    }
}

const HEALTH_CHECK: &str = include_str!("../sql/health_check.sql");

/// Writes a row, as the work does.
fn health_check(connection: &Connection) -> Result<Timestamp, QueryError> {
    if connection.prepare_cached(HEALTH_CHECK)?.execute(())? != 1 {
        return Err(InvalidColumn("number of rows for health checks").into());
    }
    // The clock of this process.
    Ok(SystemClock.now())
}

#[async_trait]
impl OrderRepository for SqliteStore {
    async fn apply(&self, batches: &[Batch], now: Timestamp) -> Result<Vec<Placed>, StoreError> {
        // A name shares its memory: the clone counts, it does not copy.
        let ours = batches.to_vec();
        let placed = self.thread.call(move |connection| apply::chunk(connection, &ours, now)).await?;
        in_the_order_of(batches, &placed)
    }

    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        self.thread.call(move |connection| rows::order(connection, order)).await
    }

    async fn locked_sales(&self, _sales: &[SaleId]) -> Result<Vec<SaleId>, StoreError> {
        // Nobody else has the file.
        Ok(Vec::new())
    }
}

#[async_trait]
impl SaleRepository for SqliteStore {
    async fn create_sale(&self, draft: &SaleDraft, now: Timestamp) -> Result<Sale, StoreError> {
        let draft = draft.clone();
        self.thread.call(move |connection| sales::create(connection, None, draft, now)).await
    }

    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        now: Timestamp,
    ) -> Result<SaleMade, StoreError> {
        let (key, draft) = (key.clone(), draft.clone());
        self.thread.call(move |connection| sales::create_once(connection, &key, draft, now)).await
    }

    async fn preheat_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError> {
        self.thread.call(move |connection| sales::preheat(connection, sale, now)).await
    }

    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        self.thread.call(move |connection| sales::confirm_preheat(connection, sale, generation, now)).await
    }

    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        self.thread.call(move |connection| sales::next_generation(connection, sale, generation, now)).await
    }

    async fn close_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError> {
        self.thread.call(move |connection| sales::close(connection, sale, now)).await
    }

    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreError> {
        self.thread.call(move |connection| sales::find(connection, sale)).await
    }

    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreError> {
        let page = page.clone();
        self.thread.call(move |connection| sales::list(connection, &page)).await
    }
}

#[async_trait]
impl SnapshotRepository for SqliteStore {
    async fn snapshot(&self, sale: SaleId, asked: &[BatchId]) -> Result<Option<StoreSnapshot>, StoreError> {
        let asked = asked.to_vec();
        self.thread.call(move |connection| snapshot::of_sale(connection, sale, &asked)).await
    }

    async fn outcome(&self, batch: BatchId) -> Result<Option<BatchOutcome>, StoreError> {
        self.thread.call(move |connection| snapshot::outcome(connection, batch)).await
    }

    async fn batches(&self, page: &BatchPage) -> Result<Vec<DecidedBatch>, StoreError> {
        let page = *page;
        self.thread.call(move |connection| snapshot::batches(connection, &page)).await
    }

    async fn outcomes(&self, page: &OutcomePage) -> Result<Option<OutcomesPage>, StoreError> {
        let page = *page;
        self.thread.call(move |connection| snapshot::outcomes(connection, &page)).await
    }

    async fn buyers(&self, page: &BuyerPage) -> Result<Vec<BuyerUnits>, StoreError> {
        let page = page.clone();
        self.thread.call(move |connection| snapshot::buyers(connection, &page)).await
    }
}

#[async_trait]
impl RepairRepository for SqliteStore {
    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        now: Timestamp,
    ) -> Result<Option<Compensated>, StoreError> {
        let step = *step;
        self.thread.call(move |connection| compensation::of_sale(connection, sale, &step, now)).await
    }

    async fn correct_order(&self, correction: &Correction, _now: Timestamp) -> Result<bool, StoreError> {
        let correction = *correction;
        self.thread.call(move |connection| compensation::of_order(connection, &correction)).await
    }

    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreError> {
        let draft = draft.clone();
        self.thread.call(move |connection| repairs::begin(connection, draft, now)).await
    }

    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreError> {
        let after = after.to_owned();
        self.thread.call(move |connection| repairs::end(connection, id, &after, now)).await
    }

    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreError> {
        self.thread.call(move |connection| repairs::list(connection, before, size)).await
    }

    async fn decide_letter(
        &self,
        letter: &LetterKey,
        status: LetterStatus,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let letter = letter.clone();
        self.thread
            .call(move |connection| dead_letters::decide(connection, &letter, status, repair_id, now))
            .await
    }

    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreError> {
        let letter = letter.clone();
        self.thread.call(move |connection| dead_letters::decision(connection, &letter)).await
    }
}

#[async_trait]
impl DeploymentRepository for SqliteStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        self.thread.call(|connection| identity::find(connection)).await
    }

    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreError> {
        self.thread.call(move |connection| identity::register(connection, ledger)).await
    }

    async fn ping(&self) -> Result<Timestamp, StoreError> {
        self.thread.call(|connection| health_check(connection)).await
    }
}
