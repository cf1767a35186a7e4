//! Operators' decisions about dead letters.

use flashgate_domain::Timestamp;
use flashgate_order_store::{
    LetterDecision, LetterKey, LetterStatus,
    sql::{
        columns,
        texts::{DEAD_LETTER_DECIDE, DEAD_LETTER_SELECT},
    },
};
use rusqlite::{Connection, params};

use crate::fault::QueryError;

pub(crate) fn decide(
    connection: &Connection,
    letter: &LetterKey,
    status: LetterStatus,
    repair_id: u64,
    now: Timestamp,
) -> Result<(), QueryError> {
    connection.prepare_cached(DEAD_LETTER_DECIDE)?.execute(params![
        letter.place,
        letter.given_up_at.as_millis(),
        status.as_str(),
        repair_id,
        now.as_millis(),
    ])?;
    Ok(())
}

pub(crate) fn decision(
    connection: &Connection,
    letter: &LetterKey,
) -> Result<Option<LetterDecision>, QueryError> {
    let mut statement = connection.prepare_cached(DEAD_LETTER_SELECT)?;
    let mut rows = statement.query(params![letter.place, letter.given_up_at.as_millis()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let status: String = row.get(0)?;
    Ok(Some(LetterDecision {
        status: columns::letter_status(&status)?,
        repair_id: row.get(1)?,
        decided_at: Timestamp::from_millis(row.get(2)?),
        actor: row.get(3)?,
        reason: row.get(4)?,
    }))
}
