//! Sales: rows, transitions, pages.

use flashgate_domain::{IdempotencyKey, Sale, SaleDraft, SaleId, SaleState, Timestamp};
use sqlx::{
    MySql, MySqlConnection, MySqlExecutor, Row,
    mysql::{MySqlArguments, MySqlRow},
    query::Query,
};

use crate::fault::{Cause, QueryError};
use flashgate_order_store::{
    SALE_PAGE_MAX, SaleMade, SalePage, Transition,
    sql::columns::{self, SaleColumns},
    sql::texts::{
        SALE_BY_KEY_SELECT, SALE_CLOSE, SALE_CONFIRM_PREHEAT, SALE_INSERT, SALE_NEXT_GENERATION,
        SALE_PREHEAT, SALE_SELECT, SALES_SELECT,
    },
};

pub(crate) async fn create(
    connection: &mut MySqlConnection,
    key: Option<&IdempotencyKey>,
    draft: &SaleDraft,
    now: Timestamp,
) -> Result<Sale, QueryError> {
    let query = sqlx::query(SALE_INSERT)
        .bind(draft.title())
        .bind(draft.price_minor())
        .bind(draft.currency())
        .bind(draft.window().opens_at().as_millis())
        .bind(draft.window().closes_at().as_millis())
        .bind(draft.stock())
        .bind(draft.limit_per_buyer().get())
        .bind(draft.quantity_max().get())
        .bind(draft.policy().as_str())
        .bind(SaleState::Created.as_str())
        .bind(draft.stock())
        .bind(now.as_millis())
        .bind(now.as_millis())
        .bind(key.map(IdempotencyKey::as_str));
    let id = columns::sale_id(query.execute(&mut *connection).await?.last_insert_id())?;
    let (state, saleable) = (SaleState::Created, draft.stock());
    Ok(Sale { id, draft: draft.clone(), state, generation: 0, saleable, restocked: 0, returned: 0 })
}

/// The unique key decides which of two concurrent calls creates the sale.
pub(crate) async fn create_once(
    connection: &mut MySqlConnection,
    key: &IdempotencyKey,
    draft: &SaleDraft,
    now: Timestamp,
) -> Result<SaleMade, QueryError> {
    let refused = match create(&mut *connection, Some(key), draft, now).await {
        Ok(sale) => return Ok(SaleMade::Now(sale)),
        Err(error) => error,
    };
    match &refused {
        QueryError::Sql(error) if Cause::of(error) == Cause::Duplicate => {}
        QueryError::Sql(_) | QueryError::Corrupt(_) | QueryError::Unavailable(_) | QueryError::Late(_) => {
            return Err(refused);
        }
    }
    let row = sqlx::query(SALE_BY_KEY_SELECT).bind(key.as_str()).fetch_optional(connection).await?;
    let found = row.as_ref().map(from_row).transpose()?;
    found.map(|sale| SaleMade::found(sale, draft)).ok_or(refused)
}

pub(crate) async fn preheat(
    connection: &mut MySqlConnection,
    sale: SaleId,
    now: Timestamp,
) -> Result<Option<Transition>, QueryError> {
    let update = sqlx::query(SALE_PREHEAT).bind(now.as_millis()).bind(sale.get());
    transition(connection, sale, update).await
}

pub(crate) async fn confirm_preheat(
    connection: &mut MySqlConnection,
    sale: SaleId,
    generation: u32,
    now: Timestamp,
) -> Result<Option<Transition>, QueryError> {
    let update = sqlx::query(SALE_CONFIRM_PREHEAT).bind(now.as_millis()).bind(sale.get()).bind(generation);
    transition(connection, sale, update).await
}

pub(crate) async fn next_generation(
    connection: &mut MySqlConnection,
    sale: SaleId,
    generation: u32,
    now: Timestamp,
) -> Result<Option<Transition>, QueryError> {
    let update = sqlx::query(SALE_NEXT_GENERATION).bind(now.as_millis()).bind(sale.get()).bind(generation);
    transition(connection, sale, update).await
}

pub(crate) async fn close(
    connection: &mut MySqlConnection,
    sale: SaleId,
    now: Timestamp,
) -> Result<Option<Transition>, QueryError> {
    let update = sqlx::query(SALE_CLOSE).bind(now.as_millis()).bind(sale.get());
    transition(connection, sale, update).await
}

/// A conditional update is atomic alone; the read after it may see a later state, never an earlier one.
async fn transition(
    connection: &mut MySqlConnection,
    sale: SaleId,
    update: Query<'_, MySql, MySqlArguments>,
) -> Result<Option<Transition>, QueryError> {
    let changed = update.execute(&mut *connection).await?.rows_affected() == 1;
    Ok(find(connection, sale).await?.map(|sale| Transition { sale, changed }))
}

pub(crate) async fn find(executor: impl MySqlExecutor<'_>, sale: SaleId) -> Result<Option<Sale>, QueryError> {
    let row = sqlx::query(SALE_SELECT).bind(sale.get()).fetch_optional(executor).await?;
    row.as_ref().map(from_row).transpose()
}

pub(crate) async fn list(connection: &mut MySqlConnection, page: &SalePage) -> Result<Vec<Sale>, QueryError> {
    let states = if page.states.is_empty() { SaleState::ALL.as_slice() } else { &page.states };
    let mut query = sqlx::query(SALES_SELECT).bind(page.after_id);
    for state in states.iter().cycle().take(SaleState::ALL.len()) {
        query = query.bind(state.as_str());
    }
    let rows = query.bind(page.size.min(SALE_PAGE_MAX)).fetch_all(&mut *connection).await?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &MySqlRow) -> Result<Sale, QueryError> {
    let columns = SaleColumns {
        id: row.try_get("id")?,
        title: row.try_get("title")?,
        price_minor: row.try_get("price_minor")?,
        currency: row.try_get("currency")?,
        opens_at_ms: row.try_get("opens_at_ms")?,
        closes_at_ms: row.try_get("closes_at_ms")?,
        initial_stock: row.try_get("initial_stock")?,
        limit_per_buyer: row.try_get("limit_per_buyer")?,
        quantity_max: row.try_get("quantity_max")?,
        deduct_policy: row.try_get("deduct_policy")?,
        state: row.try_get("state")?,
        generation: row.try_get("generation")?,
        saleable: row.try_get("saleable")?,
        restocked: row.try_get("restocked")?,
        returned: row.try_get("returned")?,
    };
    Ok(columns.sale()?)
}
