//! The configuration of the broker client.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use flashgate_access::{FileError, Secret};
use flashgate_domain::non_zero;
use rocketmq_transport::api::FrameLimits;
use serde::Deserialize;

use super::access::{Access, TlsConfig};
use crate::names::{Group, InvalidName, Topic};

/// The addresses and limits of the RocketMQ client. Every key has a default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RocketMqConfig {
    /// `host:port` of each name server; one is enough. Default: `["127.0.0.1:9876"]`.
    pub name_servers: Vec<String>,
    /// Prefix of every topic and group, so that two deployments can share a broker. Default: `flashgate`.
    pub prefix: String,
    /// The user that signs every request, for brokers with access control: the access key of RocketMQ's clients.
    /// Default: absent, not signed.
    pub user: Option<String>,
    /// The user's password, with which requests are signed: the secret key. Meant for the environment. Default: absent.
    pub password: Option<Secret>,
    /// A file with the password, read for each connection. Default: absent.
    pub password_file: Option<PathBuf>,
    /// TLS. Default: off.
    pub tls: TlsConfig,
    /// Timeout for a TCP connection. Default 1,000: a broker is near or down.
    pub connect_timeout_ms: NonZeroU64,
    /// Timeout for one request to the broker or name server in total. Default 3,000, RocketMQ's own.
    pub send_timeout_ms: NonZeroU64,
    /// Timeout for one attempt of a send, a heartbeat or a query while another broker or name server can be tried
    /// instead. Default 1,000. The last one gets the rest of `send_timeout_ms`.
    pub try_timeout_ms: NonZeroU64,
    /// Maximum retries of a send, within the same timeout: on another broker, or, if the attempt certainly had no
    /// effect and there is no other broker, on another queue. Default 2, RocketMQ's own.
    pub send_retries_max: u32,
    /// How long a broker is skipped after a failed send; the time doubles with each further failure until a send
    /// succeeds. Default 1,000.
    pub hold_min_ms: NonZeroU64,
    /// Maximum of that time. Default 8,000.
    pub hold_max_ms: NonZeroU64,
    /// A connection without input for this long is probed. Default 2,000.
    pub keep_alive_interval_ms: NonZeroU64,
    /// A connection that stays silent for this long after the probe is replaced. Default 3,000.
    pub silence_max_ms: NonZeroU64,
    /// A producer that sent no half-message for this long sends a probe of its own, rolled back at once, to check that
    /// the brokers accept half-messages. Default 5,000.
    pub probe_interval_ms: NonZeroU64,
    /// Interval at which a broker's clock is compared with this process's, by a message that is sent anyway. Default
    /// 30,000.
    pub clock_interval_ms: NonZeroU64,
    /// Maximum size of a body that is sent. Default 4,000,000: the broker's `maxMessageSize` is 4 MiB.
    pub body_bytes_max: NonZeroUsize,
    /// Maximum size of a frame that is read. Default 16 MiB, RocketMQ's own.
    pub frame_bytes_max: NonZeroUsize,
    /// Maximum unanswered requests per connection, at most 500; further ones wait. Default 500.
    pub requests_in_flight_max: NonZeroUsize,
    /// Heartbeat interval. Default 5,000: the broker removes a silent producer or consumer after 120 s.
    pub heartbeat_interval_ms: NonZeroU64,
    /// Maximum age of a route before the name server is asked again. Default 10,000.
    pub route_age_max_ms: NonZeroU64,
    /// Interval at which the members of a group are read again; the broker also announces changes. Default 5,000.
    pub rebalance_interval_ms: NonZeroU64,
    /// Maximum time that the broker may hold a pull that finds nothing. Default 10,000.
    pub pull_suspend_ms: NonZeroU64,
    /// Maximum messages per pull. Default 256; the broker returns 32 or 256 KiB unless configured otherwise.
    pub pull_messages_max: NonZeroU32,
    /// Maximum pulled chunks per subscription that wait in memory for `poll`. Default 16 (at most 4 MiB).
    pub prefetched_chunks_max: NonZeroUsize,
    /// Pause after a failed pull, heartbeat or rebalance. Default 500.
    pub retry_interval_ms: NonZeroU64,
    /// Maximum check-backs answered concurrently. Default 16: each is one ledger script and one broker request.
    pub check_backs_running_max: NonZeroUsize,
    /// Maximum queued check-backs; a further one is dropped and counted, and the broker asks again. Default 8,192.
    pub check_backs_waiting_max: NonZeroUsize,
    /// Time until the broker's first check-back of a half-message, in seconds. Default: absent, the broker's
    /// `transactionTimeOut`. If set, the broker stores an open half-message once more at each of its rounds, and
    /// refuses a verdict that arrives after that time, and after its `transactionTimeOut`
    /// ([`BusError::TooLate`](crate::BusError)).
    pub first_check_after_s: Option<NonZeroU32>,
}

impl Default for RocketMqConfig {
    fn default() -> Self {
        Self {
            name_servers: vec!["127.0.0.1:9876".to_owned()],
            prefix: "flashgate".to_owned(),
            user: None,
            password: None,
            password_file: None,
            tls: TlsConfig::default(),
            connect_timeout_ms: non_zero!(1_000),
            send_timeout_ms: non_zero!(3_000),
            try_timeout_ms: non_zero!(1_000),
            send_retries_max: 2,
            hold_min_ms: non_zero!(1_000),
            hold_max_ms: non_zero!(8_000),
            keep_alive_interval_ms: non_zero!(2_000),
            silence_max_ms: non_zero!(3_000),
            probe_interval_ms: non_zero!(5_000),
            clock_interval_ms: non_zero!(30_000),
            body_bytes_max: non_zero!(4_000_000),
            frame_bytes_max: non_zero!(16 * 1024 * 1024),
            requests_in_flight_max: non_zero!(500),
            heartbeat_interval_ms: non_zero!(5_000),
            route_age_max_ms: non_zero!(10_000),
            rebalance_interval_ms: non_zero!(5_000),
            pull_suspend_ms: non_zero!(10_000),
            pull_messages_max: non_zero!(256),
            prefetched_chunks_max: non_zero!(16),
            retry_interval_ms: non_zero!(500),
            check_backs_running_max: non_zero!(16),
            check_backs_waiting_max: non_zero!(8_192),
            first_check_after_s: None,
        }
    }
}

impl RocketMqConfig {
    /// The defaults, with one name server at `host:port`.
    pub fn at(name_server: impl ToString) -> Self {
        Self { name_servers: vec![name_server.to_string()], ..Self::default() }
    }

    /// Checks user, password and TLS, and that the files can be used. Connects to nothing.
    ///
    /// # Errors
    /// The key, below `rocketmq`, that is unfit.
    pub fn check_access(&self) -> Result<(), FileError> {
        Access::load(self).map(drop)
    }

    /// The topic `name` of this deployment.
    ///
    /// # Errors
    /// [`InvalidName`] if the broker would refuse the prefix with the name.
    pub fn topic(&self, name: &str) -> Result<Topic, InvalidName> {
        Topic::new(&format!("{}-{name}", self.prefix))
    }

    /// The producer or consumer group `name` of this deployment.
    ///
    /// # Errors
    /// [`InvalidName`] if the broker would refuse the prefix with the name.
    pub fn group(&self, name: &str) -> Result<Group, InvalidName> {
        Group::new(&format!("{}-{name}", self.prefix))
    }

    /// The limits of the frames that are read.
    pub(super) fn frame_limits(&self) -> FrameLimits {
        let bytes_max = self.frame_bytes_max.get();
        let defaults = FrameLimits::java_compatibility();
        FrameLimits {
            max_frame_bytes: bytes_max,
            max_header_bytes: defaults.max_header_bytes.min(bytes_max),
            max_body_bytes: defaults.max_body_bytes.min(bytes_max),
            initial_read_bytes: defaults.initial_read_bytes.min(bytes_max),
        }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.get())
    }

    pub(super) fn send_timeout(&self) -> Duration {
        Duration::from_millis(self.send_timeout_ms.get())
    }

    pub(super) fn try_timeout(&self) -> Duration {
        Duration::from_millis(self.try_timeout_ms.get()).min(self.send_timeout())
    }

    pub(super) fn hold_min(&self) -> Duration {
        Duration::from_millis(self.hold_min_ms.get())
    }

    pub(super) fn hold_max(&self) -> Duration {
        Duration::from_millis(self.hold_max_ms.get()).max(self.hold_min())
    }

    pub(super) fn keep_alive_interval(&self) -> Duration {
        Duration::from_millis(self.keep_alive_interval_ms.get())
    }

    pub(super) fn silence_max(&self) -> Duration {
        Duration::from_millis(self.silence_max_ms.get())
    }

    pub(super) fn probe_interval(&self) -> Duration {
        Duration::from_millis(self.probe_interval_ms.get())
    }

    pub(super) fn clock_interval(&self) -> Duration {
        Duration::from_millis(self.clock_interval_ms.get())
    }

    pub(super) fn heartbeat_interval(&self) -> Duration {
        Duration::from_millis(self.heartbeat_interval_ms.get())
    }

    pub(super) fn route_age_max(&self) -> Duration {
        Duration::from_millis(self.route_age_max_ms.get())
    }

    pub(super) fn rebalance_interval(&self) -> Duration {
        Duration::from_millis(self.rebalance_interval_ms.get())
    }

    pub(super) fn pull_suspend(&self) -> Duration {
        Duration::from_millis(self.pull_suspend_ms.get())
    }

    pub(super) fn retry_interval(&self) -> Duration {
        Duration::from_millis(self.retry_interval_ms.get())
    }
}

#[cfg(test)]
mod tests {
    use super::RocketMqConfig;

    #[test]
    fn an_unknown_key_and_a_zero_limit_are_refused() {
        let parse = serde_json::from_str::<RocketMqConfig>;
        assert_eq!(parse("{}").unwrap(), RocketMqConfig::default());
        assert!(parse(r#"{"send_timeout": 1}"#).is_err());
        assert!(parse(r#"{"send_timeout_ms": 0}"#).is_err());
    }
}
