//! Sales: rows, transitions, pages.

use async_trait::async_trait;
use flashgate_domain::{
    IdempotencyKey, Restock, RestockDraft, Sale, SaleDraft, SaleId, SaleState, Timestamp, sale::STOCK_MAX,
};
use flashgate_order_store::{
    RESTOCKS_MAX, Restocked, SALE_PAGE_MAX, SaleMade, SalePage, SaleRepository, StoreError, Transition,
    sql::{
        columns,
        sale::{
            self, RestockColumns, SALE_BY_KEY_SELECT, SALE_INSERT, SALE_SELECT, SALES_SELECT, SaleRow, Value,
            insert_values,
        },
        texts::{
            RESTOCK_BY_KEY_SELECT, RESTOCK_INSERT, RESTOCKS_SELECT, SALE_CLOSE, SALE_CONFIRM_PREHEAT,
            SALE_NEXT_GENERATION, SALE_PREHEAT, SALE_RESTOCK,
        },
    },
};
use flashgate_supervision::failpoint;
use rusqlite::{
    Connection, OptionalExtension, Params, Row, TransactionBehavior, params_from_iter, types::Value as Cell,
};

use crate::{SqliteStore, fault::QueryError};

#[async_trait]
impl SaleRepository for SqliteStore {
    async fn create_sale(&self, draft: &SaleDraft, now: Timestamp) -> Result<Sale, StoreError> {
        let draft = draft.clone();
        self.call(move |connection| create(connection, None, draft, now)).await
    }

    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        now: Timestamp,
    ) -> Result<SaleMade, StoreError> {
        let (key, draft) = (key.clone(), draft.clone());
        // No other process has the file: a sale that is missing before the insert is missing at the insert.
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(&SALE_BY_KEY_SELECT)?;
            let mut rows = statement.query([key.as_str()])?;
            match rows.next()?.map(from_row).transpose()? {
                Some(sale) => Ok(SaleMade::found(sale, &draft)),
                None => create(connection, Some(&key), draft, now).map(SaleMade::Now),
            }
        })
        .await
    }

    async fn preheat_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError> {
        self.transition(sale, SALE_PREHEAT, (now.as_millis(), sale.get())).await
    }

    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        self.transition(sale, SALE_CONFIRM_PREHEAT, (now.as_millis(), sale.get(), generation)).await
    }

    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        self.transition(sale, SALE_NEXT_GENERATION, (now.as_millis(), sale.get(), generation)).await
    }

    async fn restock(
        &self,
        key: &IdempotencyKey,
        draft: &RestockDraft,
        now: Timestamp,
    ) -> Result<Restocked, StoreError> {
        let (key, draft) = (key.clone(), draft.clone());
        self.call(move |connection| restock(connection, &key, &draft, now)).await
    }

    async fn restocks(&self, sale: SaleId) -> Result<Vec<Restock>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(RESTOCKS_SELECT)?;
            statement.query_and_then((sale.get(), RESTOCKS_MAX), |row| restock_from(row, sale))?.collect()
        })
        .await
    }

    async fn close_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError> {
        self.transition(sale, SALE_CLOSE, (now.as_millis(), sale.get())).await
    }

    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreError> {
        self.call(move |connection| find(connection, sale)).await
    }

    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreError> {
        let states = if page.states.is_empty() { SaleState::ALL.as_slice() } else { &page.states };
        let states = states.iter().cycle().take(SaleState::ALL.len());
        // Ids end at 2^63 - 1: beyond it there are none.
        let mut values = vec![Cell::from(i64::try_from(page.after_id).unwrap_or(i64::MAX))];
        values.extend(states.map(|state| Cell::from(state.as_str().to_owned())));
        values.push(Cell::from(page.size.min(SALE_PAGE_MAX)));
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(&SALES_SELECT)?;
            statement.query_and_then(params_from_iter(values), from_row)?.collect()
        })
        .await
    }
}

impl SqliteStore {
    /// A conditional update is atomic alone, and no other process has the file: the read after it sees its result.
    async fn transition(
        &self,
        sale: SaleId,
        update: &'static str,
        values: impl Params + Send + 'static,
    ) -> Result<Option<Transition>, StoreError> {
        self.call(move |connection| {
            let changed = connection.prepare_cached(update)?.execute(values)? == 1;
            Ok(find(connection, sale)?.map(|sale| Transition { sale, changed }))
        })
        .await
    }
}

fn create(
    connection: &Connection,
    key: Option<&IdempotencyKey>,
    draft: SaleDraft,
    now: Timestamp,
) -> Result<Sale, QueryError> {
    let cell = |value| match value {
        Value::Text(text) => Ok(Cell::from(text)),
        Value::Number(number) => i64::try_from(number).map(Cell::from),
    };
    let cells: Result<Vec<Cell>, _> = insert_values(&draft, key, now).map(cell).collect();
    let cells = cells.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection.prepare_cached(&SALE_INSERT)?.execute(params_from_iter(cells))?;
    let id = u64::try_from(connection.last_insert_rowid()).unwrap_or(0);
    Ok(sale::inserted(id, draft)?)
}

/// No other process has the file: a key that is missing before the insert is missing at the insert.
fn restock(
    connection: &mut Connection,
    key: &IdempotencyKey,
    draft: &RestockDraft,
    now: Timestamp,
) -> Result<Restocked, QueryError> {
    let (sale, units) = (draft.sale, draft.units.get());
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known: Option<(u64, u64)> = transaction
        .prepare_cached(RESTOCK_BY_KEY_SELECT)?
        .query_row([key.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((made_for, units)) = known {
        return Ok(Restocked::found(columns::sale_id(made_for)?, units, draft, find(&transaction, sale)?));
    }
    let values = (units, units, now.as_millis(), sale.get(), units, STOCK_MAX);
    let is_added = transaction.prepare_cached(SALE_RESTOCK)?.execute(values)? == 1;
    let found = find(&transaction, sale)?;
    let Some(restocked) = found.clone().filter(|_sale| is_added) else {
        return Ok(Restocked::refused(found.as_ref()));
    };
    let record = (
        key.as_str(),
        sale.get(),
        units,
        draft.operator.as_str(),
        draft.cause.as_str(),
        restocked.restocked,
        now.as_millis(),
    );
    transaction.prepare_cached(RESTOCK_INSERT)?.execute(record)?;
    failpoint::hit("before_restock_commit");
    transaction.commit()?;
    failpoint::hit("after_restock_commit");
    Ok(Restocked::Now(restocked))
}

fn restock_from(row: &Row<'_>, sale: SaleId) -> Result<Restock, QueryError> {
    let text = |index| row.get_ref(index)?.as_str().map_err(rusqlite::Error::from);
    let columns = RestockColumns {
        idempotency_key: text(0)?,
        units: row.get(1)?,
        operator: text(2)?,
        cause: text(3)?,
        restocked: row.get(4)?,
        at_ms: row.get(5)?,
    };
    Ok(columns.restock(sale)?)
}

pub(crate) fn find(connection: &Connection, sale: SaleId) -> Result<Option<Sale>, QueryError> {
    let mut statement = connection.prepare_cached(&SALE_SELECT)?;
    let mut rows = statement.query([sale.get()])?;
    rows.next()?.map(from_row).transpose()
}

fn from_row(row: &Row<'_>) -> Result<Sale, QueryError> {
    sale::sale(&Columns(row))
}

struct Columns<'r, 's>(&'r Row<'s>);

impl SaleRow for Columns<'_, '_> {
    type Error = QueryError;

    fn text(&self, column: &'static str) -> Result<Option<String>, QueryError> {
        Ok(self.0.get(column)?)
    }

    fn number(&self, column: &'static str) -> Result<u64, QueryError> {
        Ok(self.0.get(column)?)
    }
}
