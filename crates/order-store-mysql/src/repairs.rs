//! Repairs of operators, and their record: corrections of edited sales and orders, each one conditional update of one
//! row, and decisions about dead letters.

use async_trait::async_trait;
use flashgate_domain::{CancelReason, SaleId, Timestamp, audit::StoreStep};
use flashgate_order_store::{
    Compensated, Correction, LetterDecision, LetterKey, LetterStatus, REPAIR_PAGE_MAX, RepairDraft,
    RepairEvent, RepairRepository, StoreError,
    sql::{
        columns,
        texts::{
            DEAD_LETTER_SELECT, REPAIR_END, REPAIR_INSERT, REPAIR_SELECT, REPAIRS_SELECT,
            SALE_ADJUSTED_SELECT, SALE_COMPENSATE,
        },
    },
};
use sqlx::{Row, mysql::MySqlRow};

use crate::{MySqlStore, fault::QueryError, lend, within};

const DEAD_LETTER_DECIDE: &str = include_str!("../sql/dead_letter_decide.sql");
const ORDER_CORRECT: &str = include_str!("../sql/order_correct.sql");

#[async_trait]
impl RepairRepository for MySqlStore {
    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        now: Timestamp,
    ) -> Result<Option<Compensated>, StoreError> {
        let (add, take) = step.added_and_taken();
        let update = sqlx::query(SALE_COMPENSATE)
            .bind(add)
            .bind(take)
            .bind(now.as_millis())
            .bind(sale.get())
            .bind(step.adjustments)
            .bind(add)
            .bind(take);
        Ok(lend!(self, self.call_timeout, |connection| async {
            let is_done = update.execute(&mut *connection).await?.rows_affected() == 1;
            let row = sqlx::query(SALE_ADJUSTED_SELECT).bind(sale.get()).fetch_optional(connection).await?;
            let Some(row) = row else { return Ok(None) };
            let (saleable, adjustments) = (row.try_get("saleable")?, row.try_get("adjustments")?);
            Ok(Some(Compensated::of(is_done, step, saleable, adjustments)))
        })?)
    }

    async fn correct_order(&self, correction: &Correction, now: Timestamp) -> Result<bool, StoreError> {
        let Correction { order, sale, seen, settled } = correction;
        let update = sqlx::query(ORDER_CORRECT)
            .bind(settled.quantity)
            .bind(settled.state.as_str())
            .bind(settled.state.reason().map_or("", CancelReason::as_str))
            .bind(now.as_millis())
            .bind(order.get())
            .bind(sale.get())
            .bind(seen.quantity)
            .bind(seen.state.as_str())
            .bind(seen.state.reason().map_or("", CancelReason::as_str));
        Ok(lend!(self, self.call_timeout, |connection| async {
            Ok(update.execute(connection).await?.rows_affected() == 1)
        })?)
    }

    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreError> {
        let insert = sqlx::query(REPAIR_INSERT)
            .bind(draft.sale.map(SaleId::get))
            .bind(&draft.kind)
            .bind(&draft.actor)
            .bind(&draft.reason)
            .bind(&draft.before)
            .bind(now.as_millis());
        Ok(lend!(self, self.call_timeout, |connection| async {
            let id = insert.execute(connection).await?.last_insert_id();
            Ok(RepairEvent { id, draft: draft.clone(), began_at: now, ended: None })
        })?)
    }

    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreError> {
        let update = sqlx::query(REPAIR_END).bind(after).bind(now.as_millis()).bind(id);
        Ok(lend!(self, self.call_timeout, |connection| async {
            update.execute(&mut *connection).await?;
            let row = sqlx::query(REPAIR_SELECT).bind(id).fetch_optional(connection).await?;
            row.as_ref().map(from_row).transpose()
        })?)
    }

    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreError> {
        let (before, size) = (before.unwrap_or(u64::MAX), size.min(REPAIR_PAGE_MAX));
        Ok(lend!(self, self.call_timeout, |connection| async {
            let rows = sqlx::query(REPAIRS_SELECT).bind(before).bind(size).fetch_all(connection).await?;
            rows.iter().map(from_row).collect()
        })?)
    }

    async fn decide_letter(
        &self,
        letter: &LetterKey,
        status: LetterStatus,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = sqlx::query(DEAD_LETTER_DECIDE)
            .bind(&letter.place)
            .bind(letter.given_up_at.as_millis())
            .bind(status.as_str())
            .bind(repair_id)
            .bind(now.as_millis());
        Ok(lend!(self, self.call_timeout, |connection| async {
            update.execute(connection).await?;
            Ok(())
        })?)
    }

    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreError> {
        let query = sqlx::query(DEAD_LETTER_SELECT).bind(&letter.place).bind(letter.given_up_at.as_millis());
        Ok(lend!(self, self.call_timeout, |connection| async {
            query.fetch_optional(connection).await?.as_ref().map(decision).transpose()
        })?)
    }
}

fn decision(row: &MySqlRow) -> Result<LetterDecision, QueryError> {
    Ok(LetterDecision {
        status: columns::letter_status(row.try_get("standing")?)?,
        repair_id: row.try_get("repair_id")?,
        actor: row.try_get("actor")?,
        reason: row.try_get("reason")?,
        decided_at: Timestamp::from_millis(row.try_get("decided_at_ms")?),
    })
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
