//! Operators' decisions about dead letters.

use flashgate_domain::Timestamp;
use flashgate_order_store::{
    LetterDecision, LetterKey, LetterStatus,
    sql::{
        columns,
        texts::{DEAD_LETTER_DECIDE, DEAD_LETTER_SELECT},
    },
};
use sqlx::{MySqlConnection, Row};

use crate::fault::QueryError;

pub(crate) async fn decide(
    connection: &mut MySqlConnection,
    letter: &LetterKey,
    status: LetterStatus,
    repair_id: u64,
    now: Timestamp,
) -> Result<(), QueryError> {
    let query = sqlx::query(DEAD_LETTER_DECIDE)
        .bind(&letter.place)
        .bind(letter.given_up_at.as_millis())
        .bind(status.as_str())
        .bind(repair_id)
        .bind(now.as_millis());
    query.execute(&mut *connection).await?;
    Ok(())
}

pub(crate) async fn decision(
    connection: &mut MySqlConnection,
    letter: &LetterKey,
) -> Result<Option<LetterDecision>, QueryError> {
    let query = sqlx::query(DEAD_LETTER_SELECT).bind(&letter.place).bind(letter.given_up_at.as_millis());
    let Some(row) = query.fetch_optional(&mut *connection).await? else { return Ok(None) };
    Ok(Some(LetterDecision {
        status: columns::letter_status(row.try_get("standing")?)?,
        repair_id: row.try_get("repair_id")?,
        actor: row.try_get("actor")?,
        reason: row.try_get("reason")?,
        decided_at: Timestamp::from_millis(row.try_get("decided_at_ms")?),
    }))
}
