//! The statements (`sql/`), each with its arguments and rows as typed values.

use std::collections::HashSet;

use flashgate_domain::{BatchId, LedgerId, OrderId, SaleId, StoreId, Timestamp};
use flashgate_ledger::{LedgerIdentity, LedgerState, Totals, intents::unpack_sales};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params, types::Type};

use super::sale::SaleRow;

/// Maximum cached statements: all there are.
const STATEMENTS_MAX: usize = 37;

macro_rules! sql {
    ($file:literal) => {
        include_str!(concat!("../sql/", $file, ".sql"))
    };
}

/// The only connection, with its settings.
#[derive(Debug)]
pub(super) struct Store(Connection);

/// The stored state of a deducted batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchRow {
    pub(super) number: u64,
    pub(super) nonce: u64,
    pub(super) deducted_at: Timestamp,
    pub(super) settled: bool,
}

/// A batch in the log.
#[derive(Debug)]
pub(super) struct LoggedBatch {
    pub(super) number: u64,
    pub(super) id: BatchId,
    pub(super) deducted_at: Timestamp,
    pub(super) late: bool,
    pub(super) sales: Vec<u8>,
    pub(super) intents: Vec<u8>,
    pub(super) states: Option<Vec<u8>>,
}

/// The columns `sales`, `intents` and `states` of one batch.
pub(super) type BatchOrders = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

/// The log entry of a batch id.
#[derive(Debug)]
pub(super) enum Logged {
    Fenced,
    Deducted(BatchOrders),
}

/// The error for a value in the file that this version cannot decode.
pub(super) fn unreadable(column: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, format!("column {column}").into())
}

impl Store {
    pub(super) fn new(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Self(connection)
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.0
    }

    /// Writes the write-ahead log to the file and closes it.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        self.0.flush_prepared_statement_cache();
        self.0.close().map_err(|(_connection, error)| error)
    }

    fn ready(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.0.prepare_cached(sql)
    }

    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        self.ready("BEGIN IMMEDIATE")?.execute([]).map(drop)
    }

    pub(super) fn commit(&self) -> rusqlite::Result<()> {
        self.ready("COMMIT")?.execute([]).map(drop)
    }

    /// Rolls the transaction back, if there is one. Returns false if that failed.
    pub(super) fn roll_back(&self) -> bool {
        if !self.0.is_autocommit() {
            let _told_by_autocommit = self.0.execute_batch("ROLLBACK");
        }
        self.0.is_autocommit()
    }

    /// Limits the size of the file.
    pub(super) fn limit_pages(&self, pages_max: u32) -> rusqlite::Result<()> {
        self.0.pragma_update_and_check(None, "max_page_count", pages_max, |_pages| Ok(()))
    }

    pub(super) fn create(&self, shards: u16) -> rusqlite::Result<()> {
        self.0.execute_batch(sql!("schema"))?;
        self.ready(sql!("ledger_insert"))?.execute([shards]).map(drop)
    }

    /// Migrates the tables of an older version to this one.
    pub(super) fn upgrade(&self, from: i32) -> rusqlite::Result<()> {
        if from < 2 {
            self.0.execute_batch(sql!("schema_2"))?;
        }
        if from < 3 {
            self.0.execute_batch(sql!("schema_3"))?;
        }
        self.0.execute_batch(sql!("schema_4"))
    }

    /// The identity, if the ledger has one.
    pub(super) fn identity(&self) -> rusqlite::Result<Option<LedgerIdentity>> {
        let bytes = |row: &Row<'_>, column| row.get::<_, Option<[u8; 16]>>(column);
        let read = |row: &Row<'_>| Ok(bytes(row, 0)?.zip(bytes(row, 1)?));
        let found = self.ready(sql!("identity_select"))?.query_row([], read)?;
        let parsed = |(ledger, store): ([u8; 16], [u8; 16])| {
            let (ledger, store) = (LedgerId::from_bytes(ledger).ok()?, StoreId::from_bytes(store).ok()?);
            Some(LedgerIdentity { ledger, store })
        };
        found.map(|bytes| parsed(bytes).ok_or_else(|| unreadable("ledger_id"))).transpose()
    }

    pub(super) fn write_identity(&self, identity: &LedgerIdentity) -> rusqlite::Result<()> {
        let values = [identity.ledger.to_bytes(), identity.store.to_bytes()];
        self.ready(sql!("identity_write"))?.execute(values).map(drop)
    }

    /// The number of shards, and of gateway starts.
    pub(super) fn ledger(&self) -> rusqlite::Result<Option<(u16, u64)>> {
        self.ready(sql!("ledger_select"))?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }

    pub(super) fn write_starts(&self, starts: u64) -> rusqlite::Result<()> {
        self.ready(sql!("ledger_start"))?.execute([starts]).map(drop)
    }

    pub(super) fn sales(&self) -> rusqlite::Result<Vec<SaleRow>> {
        self.ready(sql!("sales_select"))?.query_map([], read_sale)?.collect()
    }

    pub(super) fn write_sale(&self, sale: &SaleRow) -> rusqlite::Result<()> {
        let totals = &sale.totals;
        let values = params![
            sale.id.get(),
            sale.state.as_str(),
            sale.generation,
            sale.sequence,
            sale.epoch,
            sale.opens_at.as_millis(),
            sale.closes_at.as_millis(),
            sale.limit,
            totals.initial,
            totals.restocked,
            totals.returned,
            totals.deducted,
            totals.written_off,
            totals.reclaimed,
            totals.available,
            sale.pending_orders,
            sale.pending_units,
            sale.born,
            sale.expires_at.map(Timestamp::as_millis),
            sale.adjustments,
            totals.released,
        ];
        self.ready(sql!("sale_upsert"))?.execute(values).map(drop)
    }

    pub(super) fn delete_sale(&self, sale: SaleId) -> rusqlite::Result<()> {
        self.ready(sql!("sale_delete"))?.execute([sale.get()]).map(drop)
    }

    pub(super) fn insert_batch(&self, batch: &LoggedBatch) -> rusqlite::Result<()> {
        let LoggedBatch { number, id, deducted_at, late, sales, intents, states: _ } = batch;
        let (base, nonce) = (id.base().get(), id.nonce().cast_signed());
        let values = params![number, base, nonce, deducted_at.as_millis(), late, sales, intents];
        self.ready(sql!("batch_insert"))?.execute(values).map(drop)
    }

    pub(super) fn batch(&self, base: OrderId) -> rusqlite::Result<Option<BatchRow>> {
        let read = |row: &Row<'_>| {
            Ok(BatchRow {
                number: row.get(0)?,
                nonce: row.get::<_, i64>(1)?.cast_unsigned(),
                deducted_at: Timestamp::from_millis(row.get(2)?),
                settled: row.get(3)?,
            })
        };
        self.ready(sql!("batch_select"))?.query_row([base.get()], read).optional()
    }

    /// The columns `sales` and `intents` of a batch.
    pub(super) fn intents(&self, number: u64) -> rusqlite::Result<(Vec<u8>, Vec<u8>)> {
        self.ready(sql!("batch_intents_select"))?.query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    pub(super) fn orders(&self, base: OrderId) -> rusqlite::Result<Option<BatchOrders>> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        self.ready(sql!("batch_orders_select"))?.query_row([base.get()], read).optional()
    }

    /// The log entry of exactly that batch.
    pub(super) fn log_entry(&self, batch: BatchId) -> rusqlite::Result<Option<Logged>> {
        let base = batch.base();
        if let Some(nonce) = self.fence(base)? {
            return Ok((nonce == batch.nonce()).then_some(Logged::Fenced));
        }
        match self.batch(base)? {
            Some(row) if row.nonce == batch.nonce() => Ok(self.orders(base)?.map(Logged::Deducted)),
            Some(_) | None => Ok(None),
        }
    }

    /// Calls back with every batch, in the order in which they were applied.
    pub(super) fn each_batch<E: From<rusqlite::Error>>(
        &self,
        mut show: impl FnMut(LoggedBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.ready(sql!("batches_select"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let base = OrderId::new(row.get(1)?).map_err(|_range| unreadable("base"))?;
            let nonce = row.get::<_, i64>(2)?.cast_unsigned();
            show(LoggedBatch {
                number: row.get(0)?,
                id: BatchId::from_parts(base, nonce),
                deducted_at: Timestamp::from_millis(row.get(3)?),
                late: row.get(4)?,
                sales: row.get(5)?,
                intents: row.get(6)?,
                states: row.get(7)?,
            })?;
        }
        Ok(())
    }

    /// Settled batches whose retention is over: number and sales.
    pub(super) fn expired(
        &self,
        now: Timestamp,
        rows_max: usize,
    ) -> rusqlite::Result<Vec<(u64, Vec<SaleId>)>> {
        let read = |row: &Row<'_>| {
            let sales: Vec<u8> = row.get(1)?;
            Ok((row.get(0)?, unpack_sales(&sales).ok_or_else(|| unreadable("sales"))?))
        };
        let mut statement = self.ready(sql!("batches_expired_select"))?;
        statement.query_map(params![now.as_millis(), rows_max], read)?.collect()
    }

    pub(super) fn delete_batch(&self, number: u64) -> rusqlite::Result<()> {
        self.ready(sql!("returns_delete"))?.execute([number])?;
        self.ready(sql!("batch_delete"))?.execute([number])?;
        self.ready(sql!("outcome_delete"))?.execute([number]).map(drop)
    }

    pub(super) fn insert_outcome(
        &self,
        number: u64,
        expires_at: Timestamp,
        states: &[u8],
    ) -> rusqlite::Result<()> {
        let values = params![number, expires_at.as_millis(), states];
        self.ready(sql!("outcome_insert"))?.execute(values).map(drop)
    }

    pub(super) fn keep_outcome(&self, number: u64, expires_at: Timestamp) -> rusqlite::Result<()> {
        self.ready(sql!("outcome_keep"))?.execute(params![expires_at.as_millis(), number]).map(drop)
    }

    pub(super) fn insert_return(&self, order: OrderId) -> rusqlite::Result<()> {
        self.ready(sql!("return_insert"))?.execute([order.get()]).map(drop)
    }

    /// Every order whose units were returned.
    pub(super) fn returns(&self) -> rusqlite::Result<HashSet<OrderId>> {
        let read = |row: &Row<'_>| OrderId::new(row.get(0)?).map_err(|_range| unreadable("order_id"));
        self.ready(sql!("returns_select"))?.query_map([], read)?.collect()
    }

    /// The nonce of the fenced batch with that base.
    pub(super) fn fence(&self, base: OrderId) -> rusqlite::Result<Option<u64>> {
        let nonce = |row: &Row<'_>| Ok(row.get::<_, i64>(0)?.cast_unsigned());
        self.ready(sql!("fence_select"))?.query_row([base.get()], nonce).optional()
    }

    pub(super) fn insert_fence(&self, batch: BatchId, expires_at: Timestamp) -> rusqlite::Result<()> {
        let values = params![batch.base().get(), batch.nonce().cast_signed(), expires_at.as_millis()];
        self.ready(sql!("fence_insert"))?.execute(values).map(drop)
    }

    pub(super) fn keep_fence(&self, base: OrderId, expires_at: Timestamp) -> rusqlite::Result<()> {
        self.ready(sql!("fence_keep"))?.execute(params![expires_at.as_millis(), base.get()]).map(drop)
    }

    pub(super) fn delete_fence(&self, base: OrderId) -> rusqlite::Result<()> {
        self.ready(sql!("fence_delete"))?.execute([base.get()]).map(drop)
    }

    /// Returns the number of deleted fences.
    pub(super) fn delete_fences(&self, now: Timestamp, rows_max: usize) -> rusqlite::Result<usize> {
        self.ready(sql!("fences_expired_delete"))?.execute(params![now.as_millis(), rows_max])
    }
}

fn read_sale(row: &Row<'_>) -> rusqlite::Result<SaleRow> {
    let state: String = row.get(1)?;
    Ok(SaleRow {
        id: SaleId::new(row.get(0)?).map_err(|_range| unreadable("id"))?,
        state: LedgerState::parse(&state).ok_or_else(|| unreadable("state"))?,
        generation: row.get(2)?,
        sequence: row.get(3)?,
        epoch: row.get(4)?,
        opens_at: Timestamp::from_millis(row.get(5)?),
        closes_at: Timestamp::from_millis(row.get(6)?),
        limit: row.get(7)?,
        totals: Totals {
            initial: row.get(8)?,
            restocked: row.get(9)?,
            returned: row.get(10)?,
            deducted: row.get(11)?,
            written_off: row.get(12)?,
            reclaimed: row.get(13)?,
            released: row.get(20)?,
            available: row.get(14)?,
        },
        pending_orders: row.get(15)?,
        pending_units: row.get(16)?,
        born: row.get(17)?,
        expires_at: row.get::<_, Option<u64>>(18)?.map(Timestamp::from_millis),
        adjustments: row.get(19)?,
    })
}
