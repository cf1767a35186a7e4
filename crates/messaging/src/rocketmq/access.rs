//! Who this client is towards the cluster, and whom it trusts.
//!
//! Requests are signed by the hook of `rocketmq-client-rust`, and connections encrypted by its transport. Files are
//! read again for each connection, so that a new certificate or password needs no restart.

use std::{error::Error, path::PathBuf, sync::Arc};

use flashgate_access::{AccessError, FileError, Password, Refusal, ServerKeys, TlsFiles, install_provider};
use flashgate_domain::causes;
use rocketmq_client_rust::{AclClientRPCHook, SessionCredentials};
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;
use rocketmq_transport::api::{RPCHook, TlsClientConfig};
use serde::Deserialize;

use super::{
    codes::{remark, response},
    config::RocketMqConfig,
};
use crate::fault::BusError;

const KEYS: ServerKeys = ServerKeys {
    server: "RocketMQ",
    section: "rocketmq",
    address: "rocketmq.name_servers",
    user: "rocketmq.user",
};

/// TLS towards the name servers and brokers. All files are PEM and are read again for each connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Whether connections are encrypted, and the servers' certificates checked: each must be for the host in its
    /// address. Default: false.
    pub enabled: bool,
    /// The authorities that are trusted to sign the servers' certificates. Required for TLS.
    pub ca_file: Option<PathBuf>,
    /// The certificate of this client, with its chain, for servers that demand one. Default: absent.
    pub certificate_file: Option<PathBuf>,
    /// The private key of that certificate. Default: absent.
    pub key_file: Option<PathBuf>,
}

/// What a connection needs.
pub(super) struct Access {
    pub(super) tls: rocketmq_transport::api::TlsConfig,
    /// Signs requests.
    pub(super) signer: Option<Arc<dyn RPCHook>>,
}

impl Access {
    /// Reads the files that `config` names.
    ///
    /// # Errors
    /// The key whose value or file cannot be used.
    pub(super) fn load(config: &RocketMqConfig) -> Result<Self, FileError> {
        Ok(Self { tls: tls(&config.tls)?, signer: signer(config)? })
    }
}

fn signer(config: &RocketMqConfig) -> Result<Option<Arc<dyn RPCHook>>, FileError> {
    let password = Password::of(config.password.as_ref(), config.password_file.as_ref(), false)?.read()?;
    match (config.user.as_deref(), password) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) if !user.is_empty() => {
            let credentials = SessionCredentials::with_keys(user, password.expose());
            Ok(Some(Arc::new(AclClientRPCHook::new(credentials))))
        }
        (Some(_), None) => {
            Err(FileError::Unfit { key: "password", expected: "or password_file is required with user" })
        }
        (None | Some(_), Some(_)) => {
            Err(FileError::Unfit { key: "user", expected: "is required with a password" })
        }
    }
}

fn tls(config: &TlsConfig) -> Result<rocketmq_transport::api::TlsConfig, FileError> {
    let TlsConfig { enabled, ca_file, certificate_file, key_file } = config.clone();
    let files = TlsFiles { ca_file, certificate_file, key_file };
    if enabled {
        install_provider();
        files.read()?;
    } else if !files.is_empty() {
        return Err(FileError::Unfit {
            key: "tls.enabled",
            expected: "must be true, since there are other keys of tls",
        });
    }
    let path = |path: Option<PathBuf>| path.map(|path| path.to_string_lossy().into_owned());
    Ok(rocketmq_transport::api::TlsConfig {
        enable: enabled,
        // The transport would read settings of Java's client from a file of the system.
        config_file: String::new(),
        client: TlsClientConfig {
            auth_server: true,
            trust_cert_path: path(files.ca_file),
            cert_path: path(files.certificate_file),
            key_path: path(files.key_file),
            ..TlsClientConfig::default()
        },
        ..rocketmq_transport::api::TlsConfig::default()
    })
}

/// The refusal in the error of a request, if TLS is its cause.
pub(super) fn refused_by_tls(address: &str, error: &(dyn Error + 'static)) -> Option<BusError> {
    Refusal::of_tls(error).map(|refusal| refused(address, refusal, causes(error)))
}

/// The refusal in the answer to a request that needs no right but a valid signature.
pub(super) fn refused_login(address: &str, answer: &RemotingCommand) -> Option<BusError> {
    let denied = answer.code() == response::NO_PERMISSION;
    denied.then(|| refused(address, Refusal::Login, remark(answer)))
}

fn refused(address: &str, refusal: Refusal, detail: String) -> BusError {
    let error = AccessError { keys: &KEYS, address: address.to_owned(), refusal, detail };
    BusError::Refused { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Access, TlsConfig};
    use crate::rocketmq::RocketMqConfig;

    #[test]
    fn what_cannot_be_used_names_its_key_and_shows_no_secret() {
        let (user, password) = (Some("gateway".to_owned()), Some("hunter2".to_owned().into()));
        let (missing, plain) = (Some(PathBuf::from("/missing")), RocketMqConfig::default);
        assert!(Access::load(&plain()).unwrap().signer.is_none());
        let signs = RocketMqConfig { user: user.clone(), password: password.clone(), ..plain() };
        assert!(Access::load(&signs).unwrap().signer.is_some());
        assert!(!format!("{signs:?}").contains("hunter2"));
        let tls = |tls| RocketMqConfig { tls, ..plain() };
        for (config, key) in [
            (RocketMqConfig { user: user.clone(), ..plain() }, "password or"),
            (RocketMqConfig { password: password.clone(), ..plain() }, "user is required"),
            (RocketMqConfig { user: Some(String::new()), ..signs.clone() }, "user is required"),
            (RocketMqConfig { password_file: missing.clone(), ..signs }, "password_file must be omitted"),
            (
                RocketMqConfig { user, password_file: missing.clone(), ..plain() },
                "password_file: cannot read",
            ),
            (tls(TlsConfig { enabled: true, ..TlsConfig::default() }), "tls.ca_file is required"),
            (tls(TlsConfig { ca_file: missing.clone(), ..TlsConfig::default() }), "tls.enabled must be true"),
            (
                tls(TlsConfig { enabled: true, ca_file: missing, ..TlsConfig::default() }),
                "tls.ca_file: cannot read",
            ),
        ] {
            let wrong = Access::load(&config).err().expect(key).to_string();
            assert!(wrong.starts_with(key) && !wrong.contains("hunter2"), "{wrong}");
        }
    }
}
