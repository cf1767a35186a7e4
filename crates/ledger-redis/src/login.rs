//! The login of a connection: its password and its TLS, from files that are read for each connection.

use flashgate_access::{
    AccessError, FileError, Password, Refusal, ServerKeys, TlsFiles, TlsMaterial, install_provider,
};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, TlsCertificates,
};
use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

use super::config::{InvalidRedisConfig, RedisConfig};

const KEYS: ServerKeys =
    ServerKeys { server: "Redis", section: "redis", address: "redis.urls", user: "redis.urls" };

/// Errors of a server that refuses the user.
const LOGIN_REFUSED: [&str; 2] = ["WRONGPASS", "NOAUTH"];
/// The error of a command that the user must not call.
const RIGHT_MISSING: &str = "NOPERM";

/// A connection could not be made.
#[derive(Debug, Error)]
pub(super) enum ConnectError {
    /// An operator must act.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A password or a certificate cannot be read.
    #[error("redis.{0}")]
    File(#[from] FileError),
    /// The server is down, or something else that passes.
    #[error("{0}")]
    Other(String),
}

impl From<JoinError> for ConnectError {
    fn from(error: JoinError) -> Self {
        Self::Other(error.to_string())
    }
}

/// The passwords and files of a configuration, the same for all servers.
#[derive(Debug, Clone)]
pub(super) struct Login {
    password: Password,
    tls: TlsFiles,
}

impl Login {
    pub(super) fn of(config: &RedisConfig) -> Result<Self, InvalidRedisConfig> {
        Ok(Self { password: config.password_source()?, tls: config.tls.clone() })
    }

    /// A client that logs in with what the files hold now.
    pub(super) async fn client(&self, info: &ConnectionInfo) -> Result<Client, ConnectError> {
        let (login, info) = (self.clone(), info.clone());
        // A file can be on a slow disk.
        spawn_blocking(move || login.open(info)).await?
    }

    fn open(&self, info: ConnectionInfo) -> Result<Client, ConnectError> {
        let info = match self.password.read()? {
            Some(password) => {
                let settings = info.redis_settings().clone().set_password(password.expose());
                info.set_redis_settings(settings)
            }
            None => info,
        };
        let address = info.addr().to_string();
        let opened = if is_tls(&info) {
            install_provider();
            Client::build_with_tls(info, certificates(self.tls.read()?))
        } else {
            Client::open(info)
        };
        opened.map_err(|error| ConnectError::Other(format!("{address}: {error}")))
    }
}

/// Whether connections to the server use TLS.
pub(super) fn is_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

fn certificates(material: TlsMaterial) -> TlsCertificates {
    TlsCertificates {
        client_tls: material
            .identity
            .map(|identity| ClientTlsConfig { client_cert: identity.certificate, client_key: identity.key }),
        root_cert: Some(material.authorities),
    }
}

/// The failure of an attempt to connect or to use a connection that nothing was sent on before.
pub(super) fn failure(address: String, error: &RedisError) -> ConnectError {
    match refusal(error) {
        Some(refusal) => refused(address, refusal, error.to_string()).into(),
        None => ConnectError::Other(format!("{address}: {error}")),
    }
}

/// A refusal by the server at `address`, or of it.
pub(super) const fn refused(address: String, refusal: Refusal, detail: String) -> AccessError {
    AccessError { keys: &KEYS, address, refusal, detail }
}

fn refusal(error: &RedisError) -> Option<Refusal> {
    let code = error.code().unwrap_or_default();
    if LOGIN_REFUSED.contains(&code) || error.kind() == ErrorKind::AuthenticationFailed {
        Some(Refusal::Login)
    } else if code == RIGHT_MISSING {
        Some(Refusal::Right)
    } else {
        Refusal::of_tls(error)
    }
}
