//! The fast path: every order is confirmed, in six statements.

use flashgate_domain::{Batch, BatchOutcome, Timestamp};
use flashgate_order_store::decide::{all_confirmed, confirmed_units};
use flashgate_supervision::failpoint;
use sqlx::{Connection, MySqlConnection};

use crate::{fault::QueryError, write};

/// Writes all orders of `batches` as confirmed and takes their units; `None`, with nothing done, if a sale has too few
/// or does not exist. A unique-key violation (1062) means that a batch was decided before, that another batch has the
/// order ids, or that a purchase has an order.
///
/// Inserts first, updates last: the row of a hot sale is locked only from its UPDATE to the commit.
pub(crate) async fn place(
    connection: &mut MySqlConnection,
    batches: &[&Batch],
    now: Timestamp,
) -> Result<Option<Vec<BatchOutcome>>, QueryError> {
    let outcomes: Vec<BatchOutcome> = batches.iter().map(|batch| all_confirmed(batch)).collect();
    let mut transaction = connection.begin().await?;
    failpoint::hit("after_begin");
    write::batches(&mut transaction, &outcomes, now).await?;
    write::orders(&mut transaction, &outcomes, now).await?;
    write::deadlines(&mut transaction, &outcomes, now).await?;
    if !write::take_stock(&mut transaction, &confirmed_units(&outcomes)).await? {
        transaction.rollback().await?;
        return Ok(None);
    }
    failpoint::hit("before_db_commit");
    transaction.commit().await?;
    failpoint::hit("after_db_commit");
    Ok(Some(outcomes))
}
