//! The deployment: the identity of the store, the registered ledger, and whether the store takes writes.

use async_trait::async_trait;
use flashgate_domain::{Clock, LedgerId, StoreIdentity, SystemClock, Timestamp};
use flashgate_order_store::{
    DeploymentRepository, Registration, StoreError,
    sql::{
        columns::{self, InvalidColumn},
        texts::{IDENTITY_SELECT, LEDGER_REGISTER},
    },
};
use rusqlite::{Connection, OptionalExtension};

use crate::{SqliteStore, fault::QueryError};

const HEALTH_CHECK: &str = include_str!("../sql/health_check.sql");

#[async_trait]
impl DeploymentRepository for SqliteStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        self.call(|connection| find(connection)).await
    }

    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreError> {
        self.call(move |connection| {
            let is_done = connection.prepare_cached(LEDGER_REGISTER)?.execute([ledger.to_bytes()])? == 1;
            let registration = Registration::of(is_done, ledger, find(connection)?);
            Ok(registration.ok_or(InvalidColumn("ledger of the deployment"))?)
        })
        .await
    }

    /// Writes a row, as the work does.
    async fn ping(&self) -> Result<Timestamp, StoreError> {
        self.call(|connection| {
            if connection.prepare_cached(HEALTH_CHECK)?.execute(())? != 1 {
                return Err(InvalidColumn("number of rows for health checks").into());
            }
            // The clock of this process.
            Ok(SystemClock.now())
        })
        .await
    }
}

fn find(connection: &Connection) -> Result<StoreIdentity, QueryError> {
    let mut statement = connection.prepare_cached(IDENTITY_SELECT)?;
    let row = statement.query_row((), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (store, ledger): (Vec<u8>, Option<Vec<u8>>) = row.ok_or(InvalidColumn("deployment"))?;
    Ok(columns::identity(&store, ledger.as_deref())?)
}
