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
use rusqlite::{OptionalExtension, Row, params};

use crate::{SqliteStore, fault::QueryError};

const DEAD_LETTER_DECIDE: &str = include_str!("../sql/dead_letter_decide.sql");
const ORDER_CORRECT: &str = include_str!("../sql/order_correct.sql");

#[async_trait]
impl RepairRepository for SqliteStore {
    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        now: Timestamp,
    ) -> Result<Option<Compensated>, StoreError> {
        let step = *step;
        self.call(move |connection| {
            let (add, take) = step.added_and_taken();
            let values = params![add, take, now.as_millis(), sale.get(), step.adjustments, add, take];
            let is_done = connection.prepare_cached(SALE_COMPENSATE)?.execute(values)? == 1;
            let mut statement = connection.prepare_cached(SALE_ADJUSTED_SELECT)?;
            let row = statement.query_row([sale.get()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            Ok(row.map(|(saleable, adjustments)| Compensated::of(is_done, &step, saleable, adjustments)))
        })
        .await
    }

    async fn correct_order(&self, correction: &Correction, _now: Timestamp) -> Result<bool, StoreError> {
        let Correction { order, sale, seen, settled } = *correction;
        self.call(move |connection| {
            let values = params![
                settled.quantity,
                settled.state.as_str(),
                settled.state.reason().map_or("", CancelReason::as_str),
                order.get(),
                sale.get(),
                seen.quantity,
                seen.state.as_str(),
                seen.state.reason().map_or("", CancelReason::as_str),
            ];
            Ok(connection.prepare_cached(ORDER_CORRECT)?.execute(values)? == 1)
        })
        .await
    }

    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreError> {
        let draft = draft.clone();
        self.call(move |connection| {
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
        })
        .await
    }

    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreError> {
        let after = after.to_owned();
        self.call(move |connection| {
            connection.prepare_cached(REPAIR_END)?.execute(params![after, now.as_millis(), id])?;
            let mut statement = connection.prepare_cached(REPAIR_SELECT)?;
            let mut rows = statement.query([id])?;
            rows.next()?.map(from_row).transpose()
        })
        .await
    }

    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreError> {
        let before = before.unwrap_or(i64::MAX.unsigned_abs());
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(REPAIRS_SELECT)?;
            statement.query_and_then((before, size.min(REPAIR_PAGE_MAX)), from_row)?.collect()
        })
        .await
    }

    async fn decide_letter(
        &self,
        letter: &LetterKey,
        status: LetterStatus,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let LetterKey { place, given_up_at } = letter.clone();
        self.call(move |connection| {
            let values = params![place, given_up_at.as_millis(), status.as_str(), repair_id, now.as_millis()];
            connection.prepare_cached(DEAD_LETTER_DECIDE)?.execute(values)?;
            Ok(())
        })
        .await
    }

    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreError> {
        let LetterKey { place, given_up_at } = letter.clone();
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(DEAD_LETTER_SELECT)?;
            let mut rows = statement.query(params![place, given_up_at.as_millis()])?;
            rows.next()?.map(decision).transpose()
        })
        .await
    }
}

fn decision(row: &Row<'_>) -> Result<LetterDecision, QueryError> {
    let status: String = row.get(0)?;
    Ok(LetterDecision {
        status: columns::letter_status(&status)?,
        repair_id: row.get(1)?,
        decided_at: Timestamp::from_millis(row.get(2)?),
        actor: row.get(3)?,
        reason: row.get(4)?,
    })
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
