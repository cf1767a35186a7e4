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
use sqlx::{
    Connection, MySql, MySqlConnection, MySqlExecutor, Row,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};

use crate::{
    MySqlStore,
    fault::{Cause, QueryError},
    lend, lend_retried, within,
};

#[async_trait]
impl SaleRepository for MySqlStore {
    async fn create_sale(&self, draft: &SaleDraft, now: Timestamp) -> Result<Sale, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| create(connection, None, draft, now))?)
    }

    /// The unique key decides which of two concurrent calls creates the sale.
    async fn create_sale_once(
        &self,
        key: &IdempotencyKey,
        draft: &SaleDraft,
        now: Timestamp,
    ) -> Result<SaleMade, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| async {
            let refused = match create(&mut *connection, Some(key), draft, now).await {
                Ok(sale) => return Ok(SaleMade::Now(sale)),
                Err(error) if error.cause() == Some(Cause::Duplicate) => error,
                Err(error) => return Err(error),
            };
            let query = sqlx::query(SALE_BY_KEY_SELECT.as_str()).bind(key.as_str());
            let found = query.fetch_optional(connection).await?.as_ref().map(from_row).transpose()?;
            found.map(|sale| SaleMade::found(sale, draft)).ok_or(refused)
        })?)
    }

    async fn preheat_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError> {
        let update = sqlx::query(SALE_PREHEAT).bind(now.as_millis()).bind(sale.get());
        self.transition(sale, update).await
    }

    async fn confirm_preheat(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        let update =
            sqlx::query(SALE_CONFIRM_PREHEAT).bind(now.as_millis()).bind(sale.get()).bind(generation);
        self.transition(sale, update).await
    }

    async fn next_generation(
        &self,
        sale: SaleId,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<Transition>, StoreError> {
        let update =
            sqlx::query(SALE_NEXT_GENERATION).bind(now.as_millis()).bind(sale.get()).bind(generation);
        self.transition(sale, update).await
    }

    async fn restock(
        &self,
        key: &IdempotencyKey,
        draft: &RestockDraft,
        now: Timestamp,
    ) -> Result<Restocked, StoreError> {
        Ok(lend_retried!(self, |connection| restock(connection, key, draft, now)))
    }

    async fn restocks(&self, sale: SaleId) -> Result<Vec<Restock>, StoreError> {
        let query = sqlx::query(RESTOCKS_SELECT).bind(sale.get()).bind(RESTOCKS_MAX);
        Ok(lend!(self, self.call_timeout, |connection| async {
            query.fetch_all(connection).await?.iter().map(|row| restock_from(row, sale)).collect()
        })?)
    }

    async fn close_sale(&self, sale: SaleId, now: Timestamp) -> Result<Option<Transition>, StoreError> {
        let update = sqlx::query(SALE_CLOSE).bind(now.as_millis()).bind(sale.get());
        self.transition(sale, update).await
    }

    async fn sale(&self, sale: SaleId) -> Result<Option<Sale>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| find(connection, sale))?)
    }

    async fn sales(&self, page: &SalePage) -> Result<Vec<Sale>, StoreError> {
        let states = if page.states.is_empty() { SaleState::ALL.as_slice() } else { &page.states };
        let mut query = sqlx::query(SALES_SELECT.as_str()).bind(page.after_id);
        for state in states.iter().cycle().take(SaleState::ALL.len()) {
            query = query.bind(state.as_str());
        }
        let query = query.bind(page.size.min(SALE_PAGE_MAX));
        Ok(lend!(self, self.call_timeout, |connection| async {
            query.fetch_all(connection).await?.iter().map(from_row).collect()
        })?)
    }
}

impl MySqlStore {
    /// A conditional update is atomic alone; the read after it may see a later state, never an earlier one.
    async fn transition(
        &self,
        sale: SaleId,
        update: Query<'_, MySql, MySqlArguments>,
    ) -> Result<Option<Transition>, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| async {
            let changed = update.execute(&mut *connection).await?.rows_affected() == 1;
            Ok(find(connection, sale).await?.map(|sale| Transition { sale, changed }))
        })?)
    }
}

async fn create(
    connection: &mut MySqlConnection,
    key: Option<&IdempotencyKey>,
    draft: &SaleDraft,
    now: Timestamp,
) -> Result<Sale, QueryError> {
    let mut query = sqlx::query(SALE_INSERT.as_str());
    for value in insert_values(draft, key, now) {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        };
    }
    let id = query.execute(&mut *connection).await?.last_insert_id();
    Ok(sale::inserted(id, draft.clone())?)
}

/// The row of the sale is locked until the end, by one call of an operator.
async fn restock(
    connection: &mut MySqlConnection,
    key: &IdempotencyKey,
    draft: &RestockDraft,
    now: Timestamp,
) -> Result<Restocked, QueryError> {
    let units = draft.units.get();
    let mut transaction = connection.begin().await?;
    let update = sqlx::query(SALE_RESTOCK)
        .bind(units)
        .bind(units)
        .bind(now.as_millis())
        .bind(draft.sale.get())
        .bind(units)
        .bind(STOCK_MAX);
    let is_added = update.execute(&mut *transaction).await?.rows_affected() == 1;
    let sale = find(&mut *transaction, draft.sale).await?;
    if let Some(sale) = sale.clone().filter(|_sale| is_added) {
        let insert = sqlx::query(RESTOCK_INSERT)
            .bind(key.as_str())
            .bind(draft.sale.get())
            .bind(units)
            .bind(draft.operator.as_str())
            .bind(draft.cause.as_str())
            .bind(sale.restocked)
            .bind(now.as_millis());
        match insert.execute(&mut *transaction).await.map_err(QueryError::from) {
            Ok(_inserted) => {
                failpoint::hit("before_restock_commit");
                transaction.commit().await?;
                failpoint::hit("after_restock_commit");
                return Ok(Restocked::Now(sale));
            }
            Err(error) if error.cause() == Some(Cause::Duplicate) => {}
            Err(error) => return Err(error),
        }
    }
    transaction.rollback().await?;
    let known =
        sqlx::query(RESTOCK_BY_KEY_SELECT).bind(key.as_str()).fetch_optional(&mut *connection).await?;
    let Some(known) = known else { return Ok(Restocked::refused(sale.as_ref())) };
    let (made_for, units) = (columns::sale_id(known.try_get("sale_id")?)?, known.try_get("units")?);
    Ok(Restocked::found(made_for, units, draft, find(connection, draft.sale).await?))
}

fn restock_from(row: &MySqlRow, sale: SaleId) -> Result<Restock, QueryError> {
    let columns = RestockColumns {
        idempotency_key: row.try_get("idempotency_key")?,
        units: row.try_get("units")?,
        operator: row.try_get("operator")?,
        cause: row.try_get("cause")?,
        restocked: row.try_get("restocked")?,
        at_ms: row.try_get("at_ms")?,
    };
    Ok(columns.restock(sale)?)
}

pub(crate) async fn find(executor: impl MySqlExecutor<'_>, sale: SaleId) -> Result<Option<Sale>, QueryError> {
    let row = sqlx::query(SALE_SELECT.as_str()).bind(sale.get()).fetch_optional(executor).await?;
    row.as_ref().map(from_row).transpose()
}

fn from_row(row: &MySqlRow) -> Result<Sale, QueryError> {
    sale::sale(&Columns(row))
}

struct Columns<'r>(&'r MySqlRow);

impl SaleRow for Columns<'_> {
    type Error = QueryError;

    fn text(&self, column: &'static str) -> Result<Option<String>, QueryError> {
        Ok(self.0.try_get(column)?)
    }

    fn number(&self, column: &'static str) -> Result<u64, QueryError> {
        Ok(self.0.try_get(column)?)
    }
}
