//! Sales: rows, transitions, pages.

use flashgate_domain::{IdempotencyKey, Sale, SaleDraft, SaleId, SaleState, Timestamp};
use flashgate_order_store::{
    SALE_PAGE_MAX, SaleMade, SalePage, Transition,
    sql::{
        sale::{
            self, SALE_BY_KEY_SELECT, SALE_INSERT, SALE_SELECT, SALES_SELECT, SaleRow, Value, insert_values,
        },
        texts::{SALE_CLOSE, SALE_CONFIRM_PREHEAT, SALE_NEXT_GENERATION, SALE_PREHEAT},
    },
};
use rusqlite::{Connection, Params, Row, params_from_iter, types::Value as Cell};

use crate::fault::QueryError;

pub(crate) fn create(
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

/// No other process has the file: a sale that is missing before the insert is missing at the insert.
pub(crate) fn create_once(
    connection: &Connection,
    key: &IdempotencyKey,
    draft: SaleDraft,
    now: Timestamp,
) -> Result<SaleMade, QueryError> {
    let mut statement = connection.prepare_cached(&SALE_BY_KEY_SELECT)?;
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
    let mut statement = connection.prepare_cached(&SALE_SELECT)?;
    let mut rows = statement.query([sale.get()])?;
    rows.next()?.map(from_row).transpose()
}

pub(crate) fn list(connection: &Connection, page: &SalePage) -> Result<Vec<Sale>, QueryError> {
    let states = if page.states.is_empty() { SaleState::ALL.as_slice() } else { &page.states };
    let four =
        states.iter().cycle().take(SaleState::ALL.len()).map(|state| Cell::from(state.as_str().to_owned()));
    // Ids end at 2^63 - 1: beyond it there are none.
    let after = Cell::from(i64::try_from(page.after_id).unwrap_or(i64::MAX));
    let size = Cell::from(page.size.min(SALE_PAGE_MAX));
    let mut statement = connection.prepare_cached(&SALES_SELECT)?;
    let mut rows = statement.query(params_from_iter([after].into_iter().chain(four).chain([size])))?;
    let mut sales = Vec::new();
    while let Some(row) = rows.next()? {
        sales.push(from_row(row)?);
    }
    Ok(sales)
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
