//! Stores on a database server: opening one independent of the kind of database.

use std::{borrow::Cow, error::Error, fmt, num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_access::{AccessError, FileError, Password, TlsFiles};
use flashgate_domain::non_zero;
use flashgate_supervision::Supervisor;
use serde::Deserialize;
use thiserror::Error;

use crate::{OrderStore, StoreError};

/// A kind of database, chosen by the scheme of its URLs.
pub trait StoreDriver: fmt::Debug + Send + Sync {
    /// The scheme, without `://`.
    fn scheme(&self) -> &'static str;

    /// The form of a URL, for messages: `mysql://user:password@host:port/database`.
    fn url_form(&self) -> &'static str;

    /// The database `flashgate` on this machine, for the user of that name, without a password.
    fn default_url(&self) -> StoreUrl;

    /// The database at `url`, which has the scheme; `None` if the URL is invalid. Does not connect.
    fn parse(&self, url: &StoreUrl) -> Option<Box<dyn StoreTarget>>;
}

/// A database with a valid URL.
pub trait StoreTarget {
    /// Whether the URL has a password.
    fn has_password(&self) -> bool;

    /// Its store, which connects at the first call. `seed` draws the pauses before retries; `supervisor` watches its
    /// background tasks.
    fn open(
        self: Box<Self>,
        settings: ServerSettings,
        access: ServerAccess,
        seed: u64,
        supervisor: &Supervisor,
    ) -> Arc<dyn ServerStore>;
}

/// A store whose schema is migrated by a separate command.
#[async_trait]
pub trait ServerStore: OrderStore {
    /// Checks that the schema is the one of this version, and that the user has the rights to work on it.
    ///
    /// # Errors
    /// [`SchemaError::Store`] passes once the database is up; the other errors need an operator.
    async fn check_schema(&self) -> Result<(), SchemaError>;

    /// Applies the missing migrations. Safe to run repeatedly and concurrently.
    ///
    /// # Errors
    /// The database's error about the failed migration. Statements of it that succeeded may stay.
    async fn migrate(&self) -> Result<(), MigrationError>;
}

/// A migration failed.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// The server refused access, or its certificate was refused.
    #[error("cannot migrate the schema: {0}")]
    Access(#[from] AccessError),
    /// Everything else.
    #[error("cannot migrate the schema: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// Why this version cannot use the database.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// Migrations are missing.
    #[error("schema version {found} is older than {needed}; run `order-worker migrate`")]
    Old {
        /// The last applied migration; 0 for none.
        found: i64,
        /// The last migration of this version.
        needed: i64,
    },
    /// A later version has migrated the schema.
    #[error("schema version {found} is newer than {known}; use a newer flashgate")]
    New {
        /// The last applied migration.
        found: i64,
        /// The last migration of this version.
        known: i64,
    },
    /// A migration failed half-way, or a different text was applied under its number.
    #[error("migration {version} differs from this version's; check the database")]
    Different {
        /// The migration.
        version: i64,
    },
    /// The server refused access, or its certificate was refused.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The database does not answer, so the schema is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How connections to a server are secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerAccess {
    /// Where the password comes from.
    pub password: Password,
    /// How the server is verified.
    pub tls_mode: TlsMode,
    /// The files for TLS.
    pub tls: TlsFiles,
}

impl ServerAccess {
    /// Checks that the files can be used.
    ///
    /// # Errors
    /// The wrong key, relative to the section of the store.
    pub fn check(&self) -> Result<(), FileError> {
        self.password.read()?;
        match self.tls_mode {
            TlsMode::Disabled if self.tls.is_empty() => Ok(()),
            TlsMode::Disabled => Err(FileError::Unfit {
                key: "tls.mode",
                expected: "must be \"verify-identity\" or \"verify-ca\", since there are files for TLS",
            }),
            TlsMode::VerifyCa | TlsMode::VerifyIdentity => self.tls.read().map(drop),
        }
    }
}

/// Whether TLS is used, and how the server is verified. There is no mode that encrypts without verifying: it would
/// protect against nobody who can redirect a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// No TLS.
    #[default]
    Disabled,
    /// A trusted authority must have signed the certificate.
    VerifyCa,
    /// The certificate must also be for the host in the URL.
    VerifyIdentity,
}

/// Limits and timeouts of a store on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Maximum connections.
    pub connections_max: NonZeroU32,
    /// Timeout for getting a connection.
    pub acquire_timeout: Duration,
    /// Timeout for one call, or one transaction.
    pub call_timeout: Duration,
    /// Timeout of a statement that waits for a row lock; whole seconds.
    pub lock_wait_timeout: Duration,
    /// Idle time after which the server ends a connection and rolls its transaction back; whole seconds.
    pub session_timeout: Duration,
    /// Maximum immediate retries of a chunk after a deadlock or a lock wait.
    pub contention_retries_max: u32,
    /// The first pause before such a retry.
    pub contention_backoff_min: Duration,
    /// The maximum pause before such a retry.
    pub contention_backoff_max: Duration,
}

impl Default for ServerSettings {
    /// The defaults of the order worker; its sample configuration gives the reasons.
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

/// The URL of a store: `scheme://user:password@host:port/database`. `Debug` and `Display` omit the password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StoreUrl(Cow<'static, str>);

impl StoreUrl {
    /// A URL made by a driver, without validation.
    pub const fn of(text: Cow<'static, str>) -> Self {
        Self(text)
    }

    /// The scheme, which selects the kind of database.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _rest)| scheme)
    }

    /// The whole URL including the password, to connect with.
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
        // The query after the database can contain secrets as well.
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
