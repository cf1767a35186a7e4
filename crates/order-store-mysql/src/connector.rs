//! Connects to the server, with the password and the TLS files of the moment.

use std::fmt;

use flashgate_access::{AccessError, FileError, Refusal, ServerKeys, install_provider};
use flashgate_order_store::server::{ServerAccess, TlsMode};
use sqlx::{
    ConnectOptions, Connection, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode},
};
use tokio::task::spawn_blocking;

use crate::fault::QueryError;

const KEYS: ServerKeys = ServerKeys {
    server: "MySQL",
    section: "order_store",
    address: "order_store.url",
    user: "order_store.url",
};

/// Errors of a server that refuses the user: `ER_ACCESS_DENIED_ERROR`, `ER_NOT_SUPPORTED_AUTH_MODE`,
/// `ER_ACCESS_DENIED_NO_PASSWORD_ERROR`, `ER_MUST_CHANGE_PASSWORD`, `ER_MUST_CHANGE_PASSWORD_LOGIN`,
/// `ER_ACCOUNT_HAS_BEEN_LOCKED`.
const LOGIN_REFUSED: [u16; 6] = [1045, 1251, 1698, 1820, 1862, 3118];
/// Errors of a statement that the user must not execute: `ER_DBACCESS_DENIED_ERROR`, `ER_TABLEACCESS_DENIED_ERROR`,
/// `ER_COLUMNACCESS_DENIED_ERROR`, `ER_SPECIFIC_ACCESS_DENIED_ERROR`.
const RIGHT_MISSING: [u16; 4] = [1044, 1142, 1143, 1227];
/// `ER_SECURE_TRANSPORT_REQUIRED`.
const TLS_REQUIRED: u16 = 3159;

/// Every statement of the store: eight sizes of each of the twelve over many rows, and the others. One that is not kept
/// is prepared again, which costs a round trip.
const STATEMENTS_KEPT: usize = 192;

/// Connects to one server. `Debug` omits the credentials.
#[derive(Clone)]
pub(crate) struct Connector {
    options: MySqlConnectOptions,
    access: ServerAccess,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connector").field(&self.address()).finish()
    }
}

impl Connector {
    /// A connector for `options`. Without a mode of its own the driver would use TLS whenever the server offers it,
    /// unverified.
    pub(crate) fn new(options: MySqlConnectOptions, access: ServerAccess) -> Self {
        let options = match options.get_ssl_mode() {
            MySqlSslMode::Preferred => options.ssl_mode(MySqlSslMode::Disabled),
            MySqlSslMode::Disabled
            | MySqlSslMode::Required
            | MySqlSslMode::VerifyCa
            | MySqlSslMode::VerifyIdentity => options,
        };
        // Logging each statement with its rows would cost more than the statement.
        let options = options.disable_statement_logging().statement_cache_capacity(STATEMENTS_KEPT);
        Self { options, access }
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<MySqlConnection, QueryError> {
        let connector = self.clone();
        // A file can be on a slow disk.
        let options = spawn_blocking(move || connector.current_options()).await;
        let options = options.map_err(|failed| QueryError::Unavailable(failed.to_string()))?;
        let options = options.map_err(|wrong| QueryError::Unavailable(format!("order_store.{wrong}")))?;
        let connected = MySqlConnection::connect_with(&options).await;
        connected.map_err(|error| self.refusal_of(&error).map_or_else(|| error.into(), QueryError::from))
    }

    /// The options with what the files hold now.
    fn current_options(&self) -> Result<MySqlConnectOptions, FileError> {
        let mut options = self.options.clone();
        if let Some(password) = self.access.password.read()? {
            options = options.password(password.expose());
        }
        let mode = match self.access.tls_mode {
            TlsMode::Disabled => return Ok(options),
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
        };
        install_provider();
        let material = self.access.tls.read()?;
        options = options.ssl_mode(mode).ssl_ca_from_pem(material.authorities);
        Ok(match material.identity {
            None => options,
            Some(identity) => {
                options.ssl_client_cert_from_pem(identity.certificate).ssl_client_key_from_pem(identity.key)
            }
        })
    }

    fn address(&self) -> String {
        format!("{}:{}", self.options.get_host(), self.options.get_port())
    }

    /// The refusal behind a failed call, if an operator must act; else the error again.
    pub(crate) fn refusal(&self, error: QueryError) -> Result<AccessError, QueryError> {
        match error {
            QueryError::Access(refused) => Ok(refused),
            QueryError::Sql(error) => self.refusal_of(&error).ok_or(QueryError::Sql(error)),
            QueryError::Corrupt(_) | QueryError::Unavailable(_) | QueryError::Late(_) => Err(error),
        }
    }

    /// The refusal behind an error of the driver.
    pub(crate) fn refusal_of(&self, error: &sqlx::Error) -> Option<AccessError> {
        let refusal = refusal(error)?;
        Some(AccessError { keys: &KEYS, address: self.address(), refusal, detail: error.to_string() })
    }
}

fn refusal(error: &sqlx::Error) -> Option<Refusal> {
    let Some(database) = error.as_database_error() else {
        return Refusal::of_tls(error).or_else(|| of_driver(error));
    };
    let number = database.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)?;
    if LOGIN_REFUSED.contains(&number) {
        Some(Refusal::Login)
    } else if RIGHT_MISSING.contains(&number) {
        Some(Refusal::Right)
    } else {
        (number == TLS_REQUIRED).then_some(Refusal::TlsRequired)
    }
}

/// Errors of the driver's own: the server has no TLS, or demands a login that needs it.
fn of_driver(error: &sqlx::Error) -> Option<Refusal> {
    if matches!(error, sqlx::Error::Tls(_)) {
        Some(Refusal::NoTls)
    } else {
        matches!(error, sqlx::Error::Configuration(_)).then_some(Refusal::TlsRequired)
    }
}
