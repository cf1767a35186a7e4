//! The configuration of a provider over HTTP.

use std::{fmt, num::NonZeroU32, path::PathBuf, str::FromStr};

use flashgate_access::{FileError, Secret, TlsFiles, read_secret};
use flashgate_domain::non_zero;
use reqwest::Url;
use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

use super::HttpProvider;
use crate::signature::{Profile, SECRETS_MAX, SigningSecret, SigningSecrets};

const TOKEN_FILE: &str = "token_file";
const SECRETS_FILE: &str = "signing_secrets_file";

/// The configuration of a provider over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpProviderConfig {
    /// The address of the provider: `https://host[:port][/path]`, or `http` without TLS.
    pub url: ProviderUrl,
    /// The bearer token of every request. Meant for the environment.
    #[serde(default)]
    pub token: Option<Secret>,
    /// A file with the token, read at the start. One of the two keys is required.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Which headers of a callback have its signature: `standard-webhooks` (default) or `stripe`.
    #[serde(default)]
    pub profile: Profile,
    /// The secrets of callbacks: `whsec_` and the base64 of 24 to 64 bytes, 1 to 8 of them. Meant for the environment.
    #[serde(default)]
    pub signing_secrets: Vec<SigningSecret>,
    /// A file with the secrets, one per line, read at the start. One of the two keys is required.
    #[serde(default)]
    pub signing_secrets_file: Option<PathBuf>,
    /// Maximum difference between the time of a callback's signature and the clock, in seconds. Default: 300, as the
    /// specification's own libraries and Stripe have it.
    #[serde(default = "tolerance_seconds")]
    pub tolerance_seconds: NonZeroU32,
    /// The files for TLS. Without `tls.ca_file` the authorities of the system are trusted.
    #[serde(default)]
    pub tls: TlsFiles,
    /// Timeout for a connection, in milliseconds. Default: 2,000, some ten round trips around the world.
    #[serde(default = "connect_timeout_ms")]
    pub connect_timeout_ms: NonZeroU32,
    /// Timeout for a call, with its connection and its wait for a permit, in milliseconds. Default: 10,000: providers
    /// ask banks, which takes seconds.
    #[serde(default = "call_timeout_ms")]
    pub call_timeout_ms: NonZeroU32,
    /// Maximum length of an answer, in bytes. Default: 65,536; an answer of the protocol has some hundred.
    #[serde(default = "answer_bytes_max")]
    pub answer_bytes_max: NonZeroU32,
    /// Maximum concurrent calls, and so connections. Default: 64; further calls wait.
    #[serde(default = "calls_max")]
    pub calls_max: NonZeroU32,
}

impl HttpProviderConfig {
    /// A configuration with the defaults.
    pub fn new(url: ProviderUrl, token: Secret, secret: SigningSecret) -> Self {
        Self {
            url,
            token: Some(token),
            token_file: None,
            profile: Profile::default(),
            signing_secrets: vec![secret],
            signing_secrets_file: None,
            tolerance_seconds: tolerance_seconds(),
            tls: TlsFiles::default(),
            connect_timeout_ms: connect_timeout_ms(),
            call_timeout_ms: call_timeout_ms(),
            answer_bytes_max: answer_bytes_max(),
            calls_max: calls_max(),
        }
    }

    /// Checks the rules that span several keys, and that the files can be used.
    ///
    /// # Errors
    /// The first key that cannot be used.
    pub fn check(&self) -> Result<(), InvalidProviderConfig> {
        HttpProvider::new(self).map(drop)
    }

    /// The token. One line break at the end of its file does not belong to it.
    pub(super) fn token(&self) -> Result<Secret, InvalidProviderConfig> {
        match (&self.token, &self.token_file) {
            (Some(token), None) => Ok(token.clone()),
            (None, Some(path)) => Ok(read_secret(TOKEN_FILE, path)?),
            (None, None) => Err(unfit("token", "is required, or token_file")),
            (Some(_), Some(_)) => Err(unfit(TOKEN_FILE, "must be omitted: there is a token")),
        }
    }

    pub(super) fn secrets(&self) -> Result<SigningSecrets, InvalidProviderConfig> {
        match (self.signing_secrets.as_slice(), &self.signing_secrets_file) {
            ([], None) => Err(unfit("signing_secrets", "is required, or signing_secrets_file")),
            ([], Some(path)) => Ok(SigningSecrets::read(SECRETS_FILE, path)?),
            (secrets, None) => {
                SigningSecrets::new(secrets.to_vec()).ok_or(InvalidProviderConfig::ManySecrets)
            }
            (_secrets, Some(_)) => Err(unfit(SECRETS_FILE, "must be omitted: there are signing_secrets")),
        }
    }
}

const fn tolerance_seconds() -> NonZeroU32 {
    non_zero!(300)
}

const fn connect_timeout_ms() -> NonZeroU32 {
    non_zero!(2_000)
}

const fn call_timeout_ms() -> NonZeroU32 {
    non_zero!(10_000)
}

const fn answer_bytes_max() -> NonZeroU32 {
    non_zero!(64 * 1024)
}

const fn calls_max() -> NonZeroU32 {
    non_zero!(64)
}

fn unfit(key: &'static str, expected: &'static str) -> InvalidProviderConfig {
    FileError::Unfit { key, expected }.into()
}

/// An invalid setting, or an invalid combination of settings.
#[derive(Debug, Error)]
pub enum InvalidProviderConfig {
    /// A key is missing or does not fit another, or a file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The token cannot be sent in a header.
    #[error("token must be visible ASCII characters")]
    Token,
    /// Too many secrets.
    #[error("signing_secrets must be at most {SECRETS_MAX} secrets")]
    ManySecrets,
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}; set tls.ca_file to the certificates of trusted authorities")]
    Tls(String),
}

/// The address of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUrl {
    /// Without a slash at its end.
    base: String,
    is_tls: bool,
}

/// An invalid address. The text is omitted: it may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be https://host[:port][/path], or http:// without TLS; no user, query or fragment")]
pub struct InvalidUrl;

impl ProviderUrl {
    /// The address of a path, which begins with a slash.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) const fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl FromStr for ProviderUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let url: Url = text.parse().map_err(|_cause| InvalidUrl)?;
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        let is_tls = url.scheme() == "https";
        let base = url.as_str().trim_end_matches('/').to_owned();
        (is_bare && is_http).then_some(Self { base, is_tls }).ok_or(InvalidUrl)
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl<'de> Deserialize<'de> for ProviderUrl {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}
