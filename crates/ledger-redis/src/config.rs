//! The configuration of the ledger on Redis.

use std::{fmt, num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use flashgate_access::{FileError, Password, Secret, TlsFiles};
use flashgate_domain::{id::ShardCount, non_zero};
use flashgate_ledger::Retention;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use serde::{Deserialize, Deserializer, de::Error as _};

/// The maximum length of a key prefix.
pub const PREFIX_BYTES_MAX: usize = 64;

/// The minimum retention of fences: no broker checks half-messages back for longer.
pub const LOG_RETENTION_HOURS_MIN: u32 = 24;

/// The configuration of the ledger on Redis.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// Addresses: `redis://[user[:password]@]host[:port][/database]`, with `rediss` for TLS. One server, or some nodes
    /// of a cluster: the others are discovered from them.
    #[serde(deserialize_with = "at_least_one")]
    pub urls: Vec<RedisUrl>,
    /// The password, if the urls have none. Meant for the environment.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file with the password, read for each connection.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The files for TLS.
    #[serde(default)]
    pub tls: TlsFiles,
    /// Whether the servers form a Redis Cluster. Default: no; then there must be one url.
    #[serde(default)]
    pub cluster: bool,
    /// Prefix of every key and channel, so that two deployments can share a server. Default: `flashgate`.
    #[serde(default)]
    pub prefix: KeyPrefix,
    /// Number of shards that the sales are spread over: 1 to 64, fixed for the life of a deployment, since a sale's
    /// shard is part of its keys. Default: 1, since one server executes one script at a time anyway; on a cluster,
    /// use a multiple of its masters.
    #[serde(default = "one_shard", deserialize_with = "shard_count")]
    pub shards: ShardCount,
    /// Timeout for a connection, in milliseconds. Default: 500, some hundred round trips in one data centre; a server
    /// that takes longer counts as down.
    #[serde(default = "connect_timeout_ms")]
    pub connect_timeout_ms: NonZeroU32,
    /// Timeout for an answer, in milliseconds. Default: 1,000. A script takes less than 10; a server that writes its
    /// log to disk before it answers may stall for some hundred.
    #[serde(default = "response_timeout_ms")]
    pub response_timeout_ms: NonZeroU32,
    /// Retention of fences and of the entries of settled batches, in hours. Must exceed the broker's retention of
    /// messages, and be at least [`LOG_RETENTION_HOURS_MIN`]. Default: 168, a week.
    #[serde(default = "week_hours")]
    pub log_retention_hours: NonZeroU32,
    /// Retention of a sale's keys, in hours, from the moment when the sale is closed and everything is settled. Replays
    /// are answered until then. Default: 168, a week.
    #[serde(default = "week_hours")]
    pub sale_retention_hours: NonZeroU32,
}

impl RedisConfig {
    /// A configuration for one server, with the defaults.
    pub fn single(url: RedisUrl) -> Self {
        Self {
            urls: vec![url],
            password: None,
            password_file: None,
            tls: TlsFiles::default(),
            cluster: false,
            prefix: KeyPrefix::default(),
            shards: one_shard(),
            connect_timeout_ms: connect_timeout_ms(),
            response_timeout_ms: response_timeout_ms(),
            log_retention_hours: week_hours(),
            sale_retention_hours: week_hours(),
        }
    }

    /// Checks the rules that span several keys, and that the files can be used.
    pub fn check(&self) -> Result<(), InvalidRedisConfig> {
        if self.urls.len() > 1 && !self.cluster {
            return Err(InvalidRedisConfig::ManyUrls);
        }
        if self.log_retention_hours.get() < LOG_RETENTION_HOURS_MIN {
            return Err(InvalidRedisConfig::ShortLog);
        }
        let of_tls = self.urls.iter().filter(|url| url.is_tls()).count();
        if of_tls != 0 && of_tls != self.urls.len() {
            return Err(InvalidRedisConfig::MixedUrls);
        }
        if of_tls == 0 && !self.tls.is_empty() {
            return Err(InvalidRedisConfig::PlainUrls);
        }
        if of_tls != 0 {
            self.tls.read()?;
        }
        self.password_source()?.read()?;
        Ok(())
    }

    /// Where the password comes from.
    pub(super) fn password_source(&self) -> Result<Password, FileError> {
        let in_url = self.urls.iter().any(|url| url.0.redis_settings().password().is_some());
        Password::of(self.password.as_ref(), self.password_file.as_ref(), in_url)
    }

    /// The retention times.
    pub fn retention(&self) -> Retention {
        let hours = |hours: NonZeroU32| Duration::from_secs(u64::from(hours.get()) * 3_600);
        Retention { log: hours(self.log_retention_hours), sale: hours(self.sale_retention_hours) }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.get().into())
    }

    pub(super) fn response_timeout(&self) -> Duration {
        Duration::from_millis(self.response_timeout_ms.get().into())
    }
}

const fn one_shard() -> ShardCount {
    ShardCount::ONE
}

const fn connect_timeout_ms() -> NonZeroU32 {
    non_zero!(500)
}

const fn response_timeout_ms() -> NonZeroU32 {
    non_zero!(1000)
}

const fn week_hours() -> NonZeroU32 {
    non_zero!(7 * 24)
}

fn at_least_one<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<RedisUrl>, D::Error> {
    let urls = Vec::deserialize(source)?;
    if urls.is_empty() { Err(D::Error::custom("must have at least one url")) } else { Ok(urls) }
}

fn shard_count<'de, D: Deserializer<'de>>(source: D) -> Result<ShardCount, D::Error> {
    ShardCount::new(u16::deserialize(source)?).map_err(|_range| D::Error::custom("must be from 1 to 64"))
}

/// An invalid combination of settings.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRedisConfig {
    /// Several servers without a cluster.
    #[error("urls must be one url, unless cluster = true")]
    ManyUrls,
    /// Fences would expire while the broker may still check back.
    #[error("log_retention_hours must be at least {LOG_RETENTION_HOURS_MIN}")]
    ShortLog,
    /// Addresses with and without TLS.
    #[error("urls must all begin with rediss://, or all with redis://")]
    MixedUrls,
    /// Files for TLS, and addresses without it.
    #[error("urls must begin with rediss://, since there are keys of redis.tls")]
    PlainUrls,
    /// A password or a file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A kind of url that this build does not support.
    #[error("urls: {0}")]
    Url(#[source] redis::RedisError),
}

/// The address and credentials of a Redis server. `Debug` and `Display` omit the password.
#[derive(Clone)]
pub struct RedisUrl(ConnectionInfo);

impl RedisUrl {
    pub(super) const fn info(&self) -> &ConnectionInfo {
        &self.0
    }

    fn is_tls(&self) -> bool {
        matches!(self.0.addr(), ConnectionAddr::TcpTls { .. })
    }
}

/// An invalid Redis url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be redis://[user[:password]@]host[:port][/database], or rediss:// for TLS")]
pub struct InvalidUrl;

impl FromStr for RedisUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        // The cause is omitted: it may contain the text, and the text may contain a password.
        let info = text.into_connection_info().map_err(|_cause| InvalidUrl)?;
        // Certificates are always verified.
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(InvalidUrl);
        }
        // With RESP3 the connection reports that it was closed before the next request is sent.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(Self(info.set_redis_settings(settings)))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.addr())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for RedisUrl {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

/// The prefix of every key: 1 to [`PREFIX_BYTES_MAX`] visible ASCII characters, without braces (they would move the
/// hash tag of the cluster).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

/// An invalid key prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {PREFIX_BYTES_MAX} visible ASCII characters without braces")]
pub struct InvalidPrefix;

impl KeyPrefix {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for KeyPrefix {
    fn default() -> Self {
        Self("flashgate".to_owned())
    }
}

impl FromStr for KeyPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'{' && byte != b'}';
        let fits = (1..=PREFIX_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Self(text.to_owned())).ok_or(InvalidPrefix)
    }
}

impl<'de> Deserialize<'de> for KeyPrefix {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RedisConfig, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn one_url_is_enough() {
        let config = parse(r#"urls = ["redis://localhost"]"#).unwrap();
        assert_eq!(
            (config.prefix.as_str(), config.shards, config.cluster),
            ("flashgate", ShardCount::ONE, false)
        );
        assert_eq!(config.connect_timeout(), Duration::from_millis(500));
        assert_eq!(config.response_timeout(), Duration::from_secs(1));
        let week = Duration::from_secs(7 * 24 * 3_600);
        assert_eq!(config.retention(), Retention { log: week, sale: week });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("urls = []", "at least one url"),
            (r#"urls = ["localhost:6379"]"#, "must be redis://"),
            ("urls = [\"redis://a\"]\nshards = 65", "from 1 to 64"),
            ("urls = [\"redis://a\"]\nprefix = \"a{b\"", "without braces"),
            ("urls = [\"redis://a\"]\nconnect_timeout_ms = 0", "nonzero"),
            ("urls = [\"redis://a\"]\nretries = 3", "unknown field `retries`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_key_that_does_not_fit_the_others_is_named() {
        for (text, expected) in [
            (r#"urls = ["redis://a", "redis://b"]"#, "urls must be one url"),
            ("urls = [\"redis://a\"]\nlog_retention_hours = 1", "log_retention_hours"),
            ("cluster = true\nurls = [\"redis://a\", \"rediss://b\"]", "urls must all"),
            ("urls = [\"redis://a\"]\n[tls]\nca_file = \"/a\"", "urls must begin with rediss://"),
            (r#"urls = ["rediss://a"]"#, "tls.ca_file is required"),
            ("urls = [\"rediss://a\"]\n[tls]\nca_file = \"/missing\"", "tls.ca_file: cannot read"),
            ("urls = [\"redis://a\"]\npassword_file = \"/missing\"", "password_file: cannot read"),
            ("urls = [\"redis://u:hunter2@a\"]\npassword = \"hunter2\"", "password must be omitted"),
        ] {
            let wrong = parse(text).unwrap().check().unwrap_err().to_string();
            assert!(wrong.starts_with(expected) && !wrong.contains("hunter2"), "{text}: {wrong}");
        }
        let fits = parse("urls = [\"redis://gateway@a\"]\npassword = \"hunter2\"").unwrap();
        fits.check().unwrap();
        assert!(!format!("{fits:?}").contains("hunter2"), "{fits:?}");
    }

    #[test]
    fn certificates_are_always_verified() {
        assert!("rediss://a".parse::<RedisUrl>().is_ok_and(|url| url.is_tls()));
        assert!("rediss://a/#insecure".parse::<RedisUrl>().is_err());
    }

    #[test]
    fn a_password_is_never_shown() {
        let config = parse(r#"urls = ["redis://shop:hunter2@redis.internal:6380/1"]"#).unwrap();
        let shown = format!("{config:?}");
        assert!(shown.contains("redis.internal:6380") && !shown.contains("hunter2"), "{shown}");
        let wrong = parse(r#"urls = ["redis://shop:hunter2@:x/y"]"#).unwrap_err();
        assert!(!wrong.contains("hunter2"), "{wrong}");
    }
}
