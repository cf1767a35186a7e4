//! The record of repairs.

use flashgate_domain::{SaleId, Timestamp};
use flashgate_order_store::{
    REPAIR_PAGE_MAX, RepairDraft, RepairEvent,
    sql::{
        columns,
        texts::{REPAIR_END, REPAIR_INSERT, REPAIR_SELECT, REPAIRS_SELECT},
    },
};
use rusqlite::{Connection, Row, params};

use crate::fault::QueryError;

pub(crate) fn begin(
    connection: &Connection,
    draft: RepairDraft,
    now: Timestamp,
) -> Result<RepairEvent, QueryError> {
    connection.prepare_cached(REPAIR_INSERT)?.execute(params![
        draft.sale.map(SaleId::get),
        draft.kind,
        draft.actor,
        draft.reason,
        draft.before,
        now.as_millis(),
    ])?;
    let id = u64::try_from(connection.last_insert_rowid()).unwrap_or(0);
    Ok(RepairEvent { id, draft, began_at: now, ended: None })
}

pub(crate) fn end(
    connection: &Connection,
    id: u64,
    after: &str,
    now: Timestamp,
) -> Result<Option<RepairEvent>, QueryError> {
    connection.prepare_cached(REPAIR_END)?.execute(params![after, now.as_millis(), id])?;
    let mut statement = connection.prepare_cached(REPAIR_SELECT)?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(from_row).transpose()
}

pub(crate) fn list(
    connection: &Connection,
    before: Option<u64>,
    size: u32,
) -> Result<Vec<RepairEvent>, QueryError> {
    let before = before.unwrap_or(i64::MAX.unsigned_abs());
    let mut statement = connection.prepare_cached(REPAIRS_SELECT)?;
    let mut rows = statement.query((before, size.min(REPAIR_PAGE_MAX)))?;
    let mut repairs = Vec::new();
    while let Some(row) = rows.next()? {
        repairs.push(from_row(row)?);
    }
    Ok(repairs)
}

fn from_row(row: &Row<'_>) -> Result<RepairEvent, QueryError> {
    let sale: Option<u64> = row.get(1)?;
    let after: Option<String> = row.get(6)?;
    let ended_at: Option<u64> = row.get(8)?;
    let draft = RepairDraft {
        sale: sale.map(columns::sale_id).transpose()?,
        kind: row.get(2)?,
        actor: row.get(3)?,
        reason: row.get(4)?,
        before: row.get(5)?,
    };
    Ok(RepairEvent {
        id: row.get(0)?,
        draft,
        began_at: Timestamp::from_millis(row.get(7)?),
        ended: after.zip(ended_at.map(Timestamp::from_millis)),
    })
}
