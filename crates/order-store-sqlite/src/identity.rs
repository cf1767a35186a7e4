//! The identity of the store, and the registered ledger.

use flashgate_domain::LedgerId;
use flashgate_order_store::{
    Registration, StoreIdentity,
    sql::{
        columns::{self, InvalidColumn},
        texts::{IDENTITY_SELECT, LEDGER_REGISTER},
    },
};
use rusqlite::{Connection, OptionalExtension};

use crate::fault::QueryError;

/// See [`DeploymentRepository::identity`](flashgate_order_store::DeploymentRepository::identity).
pub(crate) fn find(connection: &Connection) -> Result<StoreIdentity, QueryError> {
    let mut statement = connection.prepare_cached(IDENTITY_SELECT)?;
    let row = statement.query_row((), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (store, ledger): (Vec<u8>, Option<Vec<u8>>) = row.ok_or(InvalidColumn("deployment"))?;
    Ok(columns::identity(&store, ledger.as_deref())?)
}

/// See [`DeploymentRepository::register_ledger`](flashgate_order_store::DeploymentRepository::register_ledger).
pub(crate) fn register(connection: &Connection, ledger: LedgerId) -> Result<Registration, QueryError> {
    let is_done = connection.prepare_cached(LEDGER_REGISTER)?.execute([ledger.to_bytes()])? == 1;
    let registration = Registration::of(is_done, ledger, find(connection)?);
    Ok(registration.ok_or(InvalidColumn("ledger of the deployment"))?)
}
