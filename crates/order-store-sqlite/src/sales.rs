//! Sales: rows, transitions, pages.

use flashgate_domain::{IdempotencyKey, Sale, SaleDraft, SaleId, SaleState, Timestamp};
use rusqlite::{Connection, Params, Row, params, params_from_iter, types::Value};

use crate::fault::QueryError;
use flashgate_order_store::{
    SALE_PAGE_MAX, SaleMade, SalePage, Transition,
    sql::columns::{self, SaleColumns},
    sql::texts::{
        SALE_BY_KEY_SELECT, SALE_CLOSE, SALE_CONFIRM_PREHEAT, SALE_INSERT, SALE_NEXT_GENERATION,
        SALE_PREHEAT, SALE_SELECT, SALES_SELECT,
    },
};

pub(crate) fn create(
    connection: &Connection,
    key: Option<&IdempotencyKey>,
    draft: SaleDraft,
    now: Timestamp,
) -> Result<Sale, QueryError> {
    let (state, saleable, now) = (SaleState::Created, draft.stock(), now.as_millis());
    let mut statement = connection.prepare_cached(SALE_INSERT)?;
    statement.execute(params![
        draft.title(),
        draft.price_minor(),
        draft.currency(),
        draft.window().opens_at().as_millis(),
        draft.window().closes_at().as_millis(),
        draft.stock(),
        draft.limit_per_buyer().get(),
        draft.quantity_max().get(),
        draft.policy().as_str(),
        state.as_str(),
        saleable,
        now,
        now,
        key.map(IdempotencyKey::as_str),
    ])?;
    let id = columns::sale_id(u64::try_from(connection.last_insert_rowid()).unwrap_or(0))?;
    Ok(Sale { id, draft, state, generation: 0, saleable, restocked: 0, returned: 0 })
}

/// No other process has the file: a sale that is missing before the insert is missing at the insert.
pub(crate) fn create_once(
    connection: &Connection,
    key: &IdempotencyKey,
    draft: SaleDraft,
    now: Timestamp,
) -> Result<SaleMade, QueryError> {
    let mut statement = connection.prepare_cached(SALE_BY_KEY_SELECT)?;
    let mut rows = statement.query([key.as_str()])?;
    match rows.next()?.map(from_row).transpose()? {
        Some(sale) => Ok(SaleMade::found(sale, &draft)),
        None => create(connection, Some(key), draft, now).map(SaleMade::Now),
    }
}

pub(crate) fn preheat(
    connection: &Connection,
    sale: SaleId,
    now: Timestamp,
) -> Result<Option<Transition>, QueryError> {
    transition(connection, sale, SALE_PREHEAT, (now.as_millis(), sale.get()))
}

pub(crate) fn confirm_preheat(
    connection: &Connection,
    sale: SaleId,
    generation: u32,
    now: Timestamp,
) -> Result<Option<Transition>, QueryError> {
    transition(connection, sale, SALE_CONFIRM_PREHEAT, (now.as_millis(), sale.get(), generation))
}

pub(crate) fn next_generation(
    connection: &Connection,
    sale: SaleId,
    generation: u32,
    now: Timestamp,
) -> Result<Option<Transition>, QueryError> {
    transition(connection, sale, SALE_NEXT_GENERATION, (now.as_millis(), sale.get(), generation))
}

pub(crate) fn close(
    connection: &Connection,
    sale: SaleId,
    now: Timestamp,
) -> Result<Option<Transition>, QueryError> {
    transition(connection, sale, SALE_CLOSE, (now.as_millis(), sale.get()))
}

/// A conditional update is atomic alone, and no other process has the file: the read after it sees its result.
fn transition(
    connection: &Connection,
    sale: SaleId,
    update: &str,
    values: impl Params,
) -> Result<Option<Transition>, QueryError> {
    let changed = connection.prepare_cached(update)?.execute(values)? == 1;
    Ok(find(connection, sale)?.map(|sale| Transition { sale, changed }))
}

pub(crate) fn find(connection: &Connection, sale: SaleId) -> Result<Option<Sale>, QueryError> {
    let mut statement = connection.prepare_cached(SALE_SELECT)?;
    let mut rows = statement.query([sale.get()])?;
    rows.next()?.map(from_row).transpose()
}

pub(crate) fn list(connection: &Connection, page: &SalePage) -> Result<Vec<Sale>, QueryError> {
    let states = if page.states.is_empty() { SaleState::ALL.as_slice() } else { &page.states };
    let four =
        states.iter().cycle().take(SaleState::ALL.len()).map(|state| Value::from(state.as_str().to_owned()));
    // Ids end at 2^63 - 1: there are none beyond it.
    let after = Value::from(i64::try_from(page.after_id).unwrap_or(i64::MAX));
    let size = Value::from(page.size.min(SALE_PAGE_MAX));
    let mut statement = connection.prepare_cached(SALES_SELECT)?;
    let mut rows = statement.query(params_from_iter([after].into_iter().chain(four).chain([size])))?;
    let mut sales = Vec::new();
    while let Some(row) = rows.next()? {
        sales.push(from_row(row)?);
    }
    Ok(sales)
}

fn from_row(row: &Row<'_>) -> Result<Sale, QueryError> {
    Ok(sale_columns(row)?.sale()?)
}

fn sale_columns<'r>(row: &'r Row<'_>) -> rusqlite::Result<SaleColumns<'r>> {
    Ok(SaleColumns {
        id: row.get(0)?,
        title: row.get_ref(1)?.as_str()?,
        price_minor: row.get(2)?,
        currency: row.get_ref(3)?.as_str()?,
        opens_at_ms: row.get(4)?,
        closes_at_ms: row.get(5)?,
        initial_stock: row.get(6)?,
        limit_per_buyer: row.get(7)?,
        quantity_max: row.get(8)?,
        deduct_policy: row.get_ref(9)?.as_str()?,
        state: row.get_ref(10)?.as_str()?,
        generation: row.get(11)?,
        saleable: row.get(12)?,
        restocked: row.get(13)?,
        returned: row.get(14)?,
    })
}
