//! The order store on MySQL 8.0.
//!
//! `apply` decides a chunk in one transaction: on the `fast_path` if every order can be confirmed, on the `slow_path`
//! if stock is short, a key is taken or a batch is repeated.
//!
//! Each trait is implemented in the file of its subject: `apply`, `lifecycle`, `deadlines`, `payments`, `sales`,
//! `snapshot`, `repairs`, `deployment`.
//!
//! Connections come from `pool` and not from the pool of sqlx, which waits without a limit for one that is dead.

mod abandoned;
mod apply;
mod connector;
mod deadlines;
mod deployment;
mod driver;
mod fast_path;
mod fault;
mod lifecycle;
mod locked;
mod payments;
mod pool;
mod repairs;
mod rows;
mod sales;
mod schema;
mod session;
mod slow_path;
mod snapshot;
mod write;

use std::{sync::Arc, time::Duration};

pub use driver::MySql;
use flashgate_domain::Backoff;
use flashgate_order_store::server::{ServerAccess, ServerSettings};
use flashgate_supervision::Supervisor;
use pool::Pool;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr, mysql::MySqlConnectOptions};
use tokio::time::{sleep, timeout};

use crate::{connector::Connector, fault::QueryError};

/// Timeout of a call that reads all orders of one sale: 100 million orders, at the measured rate of a snapshot.
const TIMEOUT_OF_A_SALE: Duration = Duration::from_secs(60);

/// The order store on MySQL.
#[derive(Debug)]
pub struct MySqlStore {
    pool: Pool,
    call_timeout: Duration,
    contention_retries_max: u32,
    backoff: Backoff,
}

impl MySqlStore {
    /// A store that connects at the first call. `seed` draws the pauses before retries; `supervisor` watches the task
    /// that kills abandoned sessions.
    pub fn new(
        options: MySqlConnectOptions,
        settings: &ServerSettings,
        seed: u64,
        supervisor: Supervisor,
    ) -> Self {
        Self::over(Connector::new(options, ServerAccess::default()), settings, seed, supervisor)
    }

    /// As [`MySqlStore::new`], over a connector.
    pub(crate) fn over(
        connector: Connector,
        settings: &ServerSettings,
        seed: u64,
        supervisor: Supervisor,
    ) -> Self {
        let (pause_min, pause_max) = (settings.contention_backoff_min, settings.contention_backoff_max);
        Self {
            pool: Pool::new(settings, connector, supervisor),
            call_timeout: settings.call_timeout,
            contention_retries_max: settings.contention_retries_max,
            backoff: Backoff::new(pause_min, pause_max, seed),
        }
    }

    /// Waits before a retry, and counts it.
    async fn back_off(&self, retry: &mut u32) {
        sleep(self.backoff.pause(*retry)).await;
        *retry += 1;
    }
}

/// Lends a connection to one call and takes it back, unless the call timed out or the connection broke.
macro_rules! lend {
    ($store:expr, $within:expr, |$connection:ident| $call:expr) => {
        match $store.pool.lease().await {
            Ok(mut lease) => {
                let $connection = lease.connection();
                let ended = within($within, $call).await;
                lease.end(ended).await
            }
            Err(error) => Err(error),
        }
    };
}
use lend;

/// The same for a transaction, which is repeated when it lost against others; returns from the caller with other faults.
macro_rules! lend_retried {
    ($store:expr, |$connection:ident| $call:expr) => {{
        let mut retry = 0;
        loop {
            match lend!($store, $store.call_timeout, |$connection| $call) {
                Ok(done) => break done,
                Err(error) => $store.await_retry(error, &mut retry).await?,
            }
        }
    }};
}
use lend_retried;

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    timeout(limit, call).await.unwrap_or(Err(QueryError::Late(limit)))
}

/// A text of [`Sized`](flashgate_order_store::sql::statement::Sized), which contains no values.
fn sql(text: &Arc<str>) -> SqlStr {
    AssertSqlSafe(Arc::clone(text)).into_sql_str()
}
