//! Stores on a server of their own: how a worker comes to one without knowing which database it is.

use std::{borrow::Cow, error::Error, fmt, num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_domain::non_zero;
use flashgate_supervision::Supervisor;
use serde::Deserialize;
use thiserror::Error;

use crate::{OrderStore, StoreError};

/// A kind of database, behind the scheme of its URLs.
pub trait StoreDriver: fmt::Debug + Send + Sync {
    /// The scheme, without `://`.
    fn scheme(&self) -> &'static str;

    /// What a URL must look like, for messages: `mysql://user:password@host:port/database`.
    fn url_form(&self) -> &'static str;

    /// The database `flashgate` on this machine, for the user of that name, without a password.
    fn default_url(&self) -> StoreUrl;

    /// Whether `url`, which has the scheme, can be used. Connects to nothing.
    fn accepts(&self, url: &StoreUrl) -> bool;

    /// The store at `url`, which connects when it is first used. `seed` draws the pauses before retries; `supervisor`
    /// watches its background tasks. `None` if the URL cannot be used.
    fn open(
        &self,
        url: &StoreUrl,
        settings: ServerSettings,
        seed: u64,
        supervisor: &Supervisor,
    ) -> Option<Arc<dyn ServerStore>>;
}

/// A store whose schema is migrated by a command of its own.
#[async_trait]
pub trait ServerStore: OrderStore {
    /// Whether the schema is the one of this version.
    ///
    /// # Errors
    /// [`SchemaError::Store`] passes when the database is back; the others need an operator.
    async fn check_schema(&self) -> Result<(), SchemaError>;

    /// Applies the migrations that are missing. Safe to run twice, and twice at once.
    ///
    /// # Errors
    /// What the migration that failed was told. What succeeded of it may stay.
    async fn migrate(&self) -> Result<(), MigrationError>;
}

/// A migration failed.
#[derive(Debug, Error)]
#[error("the schema could not be migrated: {0}")]
pub struct MigrationError(#[source] pub Box<dyn Error + Send + Sync>);

/// Why this version of the worker cannot serve on the database.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// Migrations are missing.
    #[error("the schema is old: it is at {found}, this version needs {needed}; run `order-worker migrate`")]
    Old {
        /// The last migration that was applied; 0 for none.
        found: i64,
        /// The last migration of this version.
        needed: i64,
    },
    /// A later version has migrated it.
    #[error("the schema is newer than this version: it is at {found}, this version knows {known}")]
    New {
        /// The last migration that was applied.
        found: i64,
        /// The last migration of this version.
        known: i64,
    },
    /// A migration failed half way, or another text was applied under its number.
    #[error("migration {version} was not applied as this version has it; an operator must look")]
    Different {
        /// The migration.
        version: i64,
    },
    /// The database does not answer, so nobody knows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How patiently a store deals with its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Connections at most.
    pub connections_max: NonZeroU32,
    /// How long a call waits for a connection.
    pub acquire_timeout: Duration,
    /// How long one call, or one transaction, may take.
    pub call_timeout: Duration,
    /// How long a statement waits for a row; whole seconds.
    pub lock_wait_timeout: Duration,
    /// After how long without a statement the server ends a connection, and rolls back what it had begun; whole
    /// seconds.
    pub session_timeout: Duration,
    /// How often a chunk is tried again at once after a deadlock or a lock wait.
    pub contention_retries_max: u32,
    /// The first pause before such a retry.
    pub contention_backoff_min: Duration,
    /// The longest pause before such a retry.
    pub contention_backoff_max: Duration,
}

impl Default for ServerSettings {
    /// Those of the order worker, whose sample configuration gives the reasons.
    fn default() -> Self {
        Self {
            connections_max: non_zero!(8),
            acquire_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(10),
            lock_wait_timeout: Duration::from_secs(2),
            session_timeout: Duration::from_secs(10),
            contention_retries_max: 8,
            contention_backoff_min: Duration::from_millis(2),
            contention_backoff_max: Duration::from_millis(200),
        }
    }
}

/// Where a store is, as in a configuration: `scheme://user:password@host:port/database`. Never shown whole: it holds the password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StoreUrl(Cow<'static, str>);

impl StoreUrl {
    /// A URL of a driver's own. Not checked.
    pub const fn of(text: Cow<'static, str>) -> Self {
        Self(text)
    }

    /// Which kind of database it is.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _rest)| scheme)
    }

    /// The whole URL, to connect with.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let location = text.split_once("://").map(|(_scheme, rest)| rest.split_once('/'));
        match location {
            Some(Some((server, database))) if !server.is_empty() && !database.is_empty() => {
                Ok(Self(text.into()))
            }
            _ => Err("must be scheme://user:password@host:port/database"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.0.split_once("://").map_or("", |(_scheme, rest)| rest);
        // What comes after the database can hold secrets as well.
        let rest = rest.split_once('?').map_or(rest, |(location, _query)| location);
        let location = rest.rsplit_once('@').map_or(rest, |(_login, location)| location);
        write!(f, "{}://…@{location}", self.scheme())
    }
}

#[cfg(test)]
mod tests {
    use super::StoreUrl;

    fn url(text: &str) -> Result<StoreUrl, &'static str> {
        StoreUrl::try_from(text.to_owned())
    }

    #[test]
    fn a_url_has_a_scheme_a_server_and_a_database() {
        assert_eq!(url("mysql://me:p@db:3307/shop").unwrap().scheme(), "mysql");
        for wrong in ["", "shop", "mysql://", "mysql://db", "mysql://db:3306/", "mysql:///shop"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_login_and_the_parameters_are_not_shown() {
        for secret in ["mysql://me:hunter2@db:3307/shop", "mysql://me:hunt@er2@db:3307/shop?password=hunter2"]
        {
            assert_eq!(format!("{:?}", url(secret).unwrap()), "mysql://…@db:3307/shop");
        }
    }
}
