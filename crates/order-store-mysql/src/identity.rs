//! The identity of the store, and the registered ledger.

use flashgate_domain::LedgerId;
use flashgate_order_store::{
    Registration, StoreIdentity,
    sql::{
        columns::{self, InvalidColumn},
        texts::{IDENTITY_SELECT, LEDGER_REGISTER},
    },
};
use sqlx::{MySqlConnection, Row};

use crate::fault::QueryError;

/// See [`DeploymentRepository::identity`](flashgate_order_store::DeploymentRepository::identity).
pub(crate) async fn find(connection: &mut MySqlConnection) -> Result<StoreIdentity, QueryError> {
    let row = sqlx::query(IDENTITY_SELECT)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(InvalidColumn("deployment"))?;
    let (store, ledger): (Vec<u8>, Option<Vec<u8>>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(columns::identity(&store, ledger.as_deref())?)
}

/// See [`DeploymentRepository::register_ledger`](flashgate_order_store::DeploymentRepository::register_ledger).
pub(crate) async fn register(
    connection: &mut MySqlConnection,
    ledger: LedgerId,
) -> Result<Registration, QueryError> {
    let update = sqlx::query(LEDGER_REGISTER).bind(ledger.to_bytes().to_vec());
    let is_done = update.execute(&mut *connection).await?.rows_affected() == 1;
    let registration = Registration::of(is_done, ledger, find(connection).await?);
    Ok(registration.ok_or(InvalidColumn("ledger of the deployment"))?)
}
