//! The record of repairs.

use flashgate_domain::{SaleId, Timestamp};
use flashgate_order_store::{
    REPAIR_PAGE_MAX, RepairDraft, RepairEvent,
    sql::{
        columns,
        texts::{REPAIR_END, REPAIR_INSERT, REPAIR_SELECT, REPAIRS_SELECT},
    },
};
use sqlx::{MySqlConnection, Row, mysql::MySqlRow};

use crate::fault::QueryError;

pub(crate) async fn begin(
    connection: &mut MySqlConnection,
    draft: &RepairDraft,
    now: Timestamp,
) -> Result<RepairEvent, QueryError> {
    let query = sqlx::query(REPAIR_INSERT)
        .bind(draft.sale.map(SaleId::get))
        .bind(&draft.kind)
        .bind(&draft.actor)
        .bind(&draft.reason)
        .bind(&draft.before)
        .bind(now.as_millis());
    let id = query.execute(&mut *connection).await?.last_insert_id();
    Ok(RepairEvent { id, draft: draft.clone(), began_at: now, ended: None })
}

pub(crate) async fn end(
    connection: &mut MySqlConnection,
    id: u64,
    after: &str,
    now: Timestamp,
) -> Result<Option<RepairEvent>, QueryError> {
    sqlx::query(REPAIR_END).bind(after).bind(now.as_millis()).bind(id).execute(&mut *connection).await?;
    let row = sqlx::query(REPAIR_SELECT).bind(id).fetch_optional(&mut *connection).await?;
    row.as_ref().map(from_row).transpose()
}

pub(crate) async fn list(
    connection: &mut MySqlConnection,
    before: Option<u64>,
    size: u32,
) -> Result<Vec<RepairEvent>, QueryError> {
    let query = sqlx::query(REPAIRS_SELECT).bind(before.unwrap_or(u64::MAX)).bind(size.min(REPAIR_PAGE_MAX));
    query.fetch_all(&mut *connection).await?.iter().map(from_row).collect()
}

fn from_row(row: &MySqlRow) -> Result<RepairEvent, QueryError> {
    let sale: Option<u64> = row.try_get("sale_id")?;
    let ended_at: Option<u64> = row.try_get("ended_at_ms")?;
    let after: Option<String> = row.try_get("after_text")?;
    let draft = RepairDraft {
        sale: sale.map(columns::sale_id).transpose()?,
        kind: row.try_get("kind")?,
        actor: row.try_get("actor")?,
        reason: row.try_get("reason")?,
        before: row.try_get("before_text")?,
    };
    Ok(RepairEvent {
        id: row.try_get("id")?,
        draft,
        began_at: Timestamp::from_millis(row.try_get("began_at_ms")?),
        ended: after.zip(ended_at.map(Timestamp::from_millis)),
    })
}
