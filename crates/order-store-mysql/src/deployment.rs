//! The deployment: the identity of the store, the registered ledger, and whether the server takes writes.

use std::time::Duration;

use async_trait::async_trait;
use flashgate_domain::{LedgerId, StoreIdentity, Timestamp};
use flashgate_order_store::{
    DeploymentRepository, Registration, StoreError,
    sql::{
        columns::{self, InvalidColumn},
        texts::{IDENTITY_SELECT, LEDGER_REGISTER},
    },
};
use sqlx::{MySqlConnection, Row};

use crate::{MySqlStore, fault::QueryError, lend, within};

/// Timeout of a health check, which writes one row: a server that takes longer counts as down.
const HEALTH_CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// The time by the server's clock, in milliseconds since 1970.
const NOW_MS: &str = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)";
const HEALTH_CHECK: &str = include_str!("../sql/health_check.sql");

#[async_trait]
impl DeploymentRepository for MySqlStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        Ok(lend!(self, self.call_timeout, |connection| find(connection))?)
    }

    async fn register_ledger(&self, ledger: LedgerId) -> Result<Registration, StoreError> {
        let update = sqlx::query(LEDGER_REGISTER).bind(ledger.to_bytes().to_vec());
        Ok(lend!(self, self.call_timeout, |connection| async {
            let is_done = update.execute(&mut *connection).await?.rows_affected() == 1;
            let registration = Registration::of(is_done, ledger, find(connection).await?);
            Ok(registration.ok_or(InvalidColumn("ledger of the deployment"))?)
        })?)
    }

    async fn ping(&self) -> Result<Timestamp, StoreError> {
        let check = async { lend!(self, self.call_timeout, |connection| health_check(connection)) };
        Ok(within(HEALTH_CHECK_TIMEOUT, check).await?)
    }
}

async fn find(connection: &mut MySqlConnection) -> Result<StoreIdentity, QueryError> {
    let row = sqlx::query(IDENTITY_SELECT).fetch_optional(connection).await?;
    let row = row.ok_or(InvalidColumn("deployment"))?;
    let (store, ledger): (Vec<u8>, Option<Vec<u8>>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(columns::identity(&store, ledger.as_deref())?)
}

/// Writes a row, as the work does: a read-only server is the wrong one.
async fn health_check(connection: &mut MySqlConnection) -> Result<Timestamp, QueryError> {
    if sqlx::query(HEALTH_CHECK).execute(&mut *connection).await?.rows_affected() != 1 {
        return Err(InvalidColumn("number of rows for health checks").into());
    }
    let (now,): (u64,) = sqlx::query_as(NOW_MS).fetch_one(connection).await?;
    Ok(Timestamp::from_millis(now))
}
