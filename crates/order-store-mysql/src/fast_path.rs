//! The plain way: every order is confirmed, in five statements.

use flashgate_domain::{Batch, BatchOutcome, Timestamp};
use flashgate_order_store::decide::{all_confirmed, confirmed_units};
use sqlx::{Connection, MySqlConnection};

use crate::{fault::QueryError, write};

/// Writes all orders of `batches` as confirmed and takes their units; `None`, and nothing done, if a sale has
/// too few or does not exist. A unique key objects (1062) to a batch that was decided before, to order ids that
/// another batch has, and to a purchase that has an order.
///
/// Insert first, update last: the row of a hot sale is locked from its UPDATE to the commit only.
pub(crate) async fn place(
    connection: &mut MySqlConnection,
    batches: &[&Batch],
    now: Timestamp,
) -> Result<Option<Vec<BatchOutcome>>, QueryError> {
    let outcomes: Vec<BatchOutcome> = batches.iter().map(|batch| all_confirmed(batch)).collect();
    let mut transaction = connection.begin().await?;
    #[cfg(feature = "failpoints")]
    flashgate_supervision::failpoint::hit("after_begin");
    write::batches(&mut transaction, &outcomes, now).await?;
    write::orders(&mut transaction, &outcomes, now).await?;
    if !write::take_stock(&mut transaction, &confirmed_units(&outcomes)).await? {
        transaction.rollback().await?;
        return Ok(None);
    }
    #[cfg(feature = "failpoints")]
    flashgate_supervision::failpoint::hit("before_db_commit");
    transaction.commit().await?;
    #[cfg(feature = "failpoints")]
    flashgate_supervision::failpoint::hit("after_db_commit");
    Ok(Some(outcomes))
}
