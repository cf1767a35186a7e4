//! The configuration of `flashgate serve`: a file, overridden by the environment, overridden by flags.
//!
//! `serve.sample.toml` holds every key with its default and its reason; `flashgate config default` prints it.

use std::{
    num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use flashgate_domain::non_zero;
use flashgate_embedded_broker::EmbeddedBrokerConfig;
use flashgate_gateway::config::{AuthConfig, BatcherConfig, ListenConfig, Settings, WorkerConfig};
use flashgate_messaging::rocketmq::RocketMqConfig;
use flashgate_order_worker::config::{ConsumeConfig, LifecycleConfig, OperatorConfig, PaymentConfig};
use flashgate_output::exit::CliError;
use flashgate_service::{config, telemetry::LogConfig};
use serde::Deserialize;

/// Prefix of the environment variables that override the file: `FLASHGATE_SERVE__LISTEN__HTTP` is `listen.http`.
pub(crate) const ENV_PREFIX: &str = "FLASHGATE_SERVE__";
/// Minimum retention: a check-back may come late, and its log entry must still exist.
const LOG_RETENTION_HOURS_MIN: u32 = 24;
/// Two concurrent batches: while one waits for the disk, the other uses the processors. Faster than one in most pairs
/// of runs on a fast disk, and no clear difference on a slow disk (docs/BENCHMARK.md).
const LANES: NonZeroUsize = non_zero!(2);
/// The sample file: every key with its default and the reason for it.
pub(crate) const SAMPLE: &str = include_str!("../../serve.sample.toml");

/// All configuration keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServeConfig {
    /// The folder of all data. Default: `flashgate` in the user's data folder.
    pub(crate) data_dir: Option<PathBuf>,
    /// Listener addresses and limits for buyers.
    pub(crate) listen: ListenConfig,
    /// Authentication of buyers.
    pub(crate) auth: AuthConfig,
    /// Batching of intents.
    pub(crate) batcher: BatcherConfig,
    /// The ledger.
    pub(crate) ledger: LedgerConfig,
    /// The interface for operators.
    pub(crate) operator: OperatorConfig,
    /// The consumption of batches.
    pub(crate) consume: ConsumeConfig,
    /// The life of orders after they were placed.
    pub(crate) lifecycle: LifecycleConfig,
    /// Payments; off without this table.
    pub(crate) payment: Option<PaymentConfig>,
    /// The embedded broker.
    pub(crate) broker: BrokerConfig,
    /// Logs.
    pub(crate) log: LogConfig,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            data_dir: None,
            listen: ListenConfig::default(),
            auth: AuthConfig::default(),
            batcher: BatcherConfig { lanes_per_shard: LANES, ..BatcherConfig::default() },
            ledger: LedgerConfig::default(),
            operator: OperatorConfig::default(),
            consume: ConsumeConfig::default(),
            lifecycle: LifecycleConfig::default(),
            payment: None,
            broker: BrokerConfig::default(),
            // The success output is on standard output already; RocketMQ logs much without need.
            log: LogConfig {
                filter:
                    "warn,rocketmq=error,rocketmq_transport::clients=off,rocketmq_broker::transaction=off"
                        .to_owned(),
                ..LogConfig::default()
            },
        }
    }
}

impl ServeConfig {
    /// The settings of the embedded gateway, with a limit of `files` open files.
    pub(crate) fn gateway(&self, files: usize) -> Settings {
        Settings {
            files,
            listen: self.listen.clone(),
            auth: self.auth.clone(),
            batcher: self.batcher.clone(),
            refresh: WorkerConfig::default().refresh(),
            // The ledger's clock is that of this process.
            clock_difference_max: Duration::MAX,
        }
    }

    /// The defaults, on any free ports, and with few logs: for a deployment that only this process uses.
    pub(crate) fn on_free_ports() -> Self {
        let mut config = Self::default();
        for place in [
            &mut config.listen.http,
            &mut config.listen.grpc,
            &mut config.listen.operator,
            &mut config.operator.listen,
        ] {
            place.set_port(0);
        }
        config.log.filter =
            "error,rocketmq_transport::clients=off,rocketmq_broker::transaction=off".to_owned();
        config
    }
}

/// The ledger.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LedgerConfig {
    /// Retention of fences and of entries of settled batches, in hours. 168, a week.
    pub(crate) log_retention_hours: NonZeroU32,
    /// Retention of a sale after it was closed and everything is settled, in hours. Replays are answered during that
    /// time. 168, a week.
    pub(crate) sale_retention_hours: NonZeroU32,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        let week = non_zero!(168);
        Self { log_retention_hours: week, sale_retention_hours: week }
    }
}

impl LedgerConfig {
    pub(crate) fn retention(&self) -> flashgate_ledger::Retention {
        let hours = |hours: NonZeroU32| Duration::from_secs(u64::from(hours.get()) * 3_600);
        flashgate_ledger::Retention {
            log: hours(self.log_retention_hours),
            sale: hours(self.sale_retention_hours),
        }
    }
}

/// The embedded broker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BrokerConfig {
    /// The name server's port on loopback; 0: any free port. Consumers of outcomes connect here.
    pub(crate) name_server_port: u16,
    /// The broker's port on loopback; 0: any free port. The broker also uses the port two below.
    pub(crate) port: u16,
    /// Retention of messages, in hours. 12.
    pub(crate) retention_hours: NonZeroU32,
    /// Age from which the broker checks back an undecided batch, in milliseconds. 1,000.
    pub(crate) check_back_after_ms: NonZeroU64,
    /// Whether a message is on the disk before it counts as stored. With `false`, messages accepted in the
    /// last half second are lost in a power failure, though never when the process crashes.
    pub(crate) sync_flush: bool,
    /// Queues of the topics of batches and of outcomes. 1: there is one worker and one gateway.
    pub(crate) queues: NonZeroU16,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        let default = EmbeddedBrokerConfig::default();
        Self {
            name_server_port: default.name_server_port,
            port: default.broker_port,
            retention_hours: default.retention_hours,
            check_back_after_ms: default.check_back_after_ms,
            sync_flush: default.sync_flush,
            queues: NonZeroU16::MIN,
        }
    }
}

impl BrokerConfig {
    pub(crate) const fn embedded(&self) -> EmbeddedBrokerConfig {
        EmbeddedBrokerConfig {
            name_server_port: self.name_server_port,
            broker_port: self.port,
            retention_hours: self.retention_hours,
            check_back_after_ms: self.check_back_after_ms,
            sync_flush: self.sync_flush,
        }
    }
}

/// Loads the file, if given, overridden by the environment.
///
/// # Errors
/// [`CliError::Usage`] with the key and the expected value.
pub(crate) fn load(file: Option<&Path>) -> Result<ServeConfig, CliError> {
    let config: ServeConfig =
        config::load_over(SAMPLE, file, ENV_PREFIX).map_err(|wrong| CliError::Usage(wrong.to_string()))?;
    let body_bytes_max = RocketMqConfig::default().body_bytes_max;
    config.batcher.check(body_bytes_max).map_err(|wrong| CliError::Usage(wrong.to_string()))?;
    if let Some(payment) = &config.payment {
        payment.check().map_err(|wrong| CliError::Usage(wrong.to_string()))?;
    }
    if config.ledger.log_retention_hours.get() < LOG_RETENTION_HOURS_MIN {
        return Err(CliError::Usage(format!(
            "ledger.log_retention_hours must be at least {LOG_RETENTION_HOURS_MIN}"
        )));
    }
    if config.broker.retention_hours > config.ledger.log_retention_hours {
        return Err(CliError::Usage(
            "broker.retention_hours must be at most ledger.log_retention_hours".to_owned(),
        ));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flashgate_service::config::contract::{sample_names_every_key, variables_are_read_as_the_file};

    use super::*;

    fn check(text: &str) -> Result<ServeConfig, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        load(Some(file.path())).map_err(|failed| failed.to_string())
    }

    #[test]
    fn the_sample_holds_the_defaults() {
        let (sample, default) = (check(SAMPLE).unwrap(), ServeConfig::default());
        assert_eq!(format!("{sample:?}"), format!("{default:?}"));
        assert_eq!(format!("{:?}", check("").unwrap()), format!("{default:?}"));
    }

    #[test]
    fn the_sample_names_every_key() {
        sample_names_every_key(SAMPLE, &ServeConfig::default());
    }

    #[test]
    fn the_environment_is_read_as_the_file() {
        let folder = tempfile::tempdir().unwrap();
        variables_are_read_as_the_file::<ServeConfig>(SAMPLE, folder.path());
    }

    #[test]
    fn what_a_table_leaves_out_has_the_default_of_serve() {
        let default = ServeConfig::default();
        let config = check("[log]\nformat = \"json\"\n[batcher]\nqueue_intents_max = 5").unwrap();
        assert_eq!(config.log.filter, default.log.filter);
        assert_eq!(config.batcher.queue_intents_max.get(), 5);
        assert_eq!(config.batcher.lanes_per_shard, default.batcher.lanes_per_shard);
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        for (text, key) in [
            ("[listen]\nhtpp = \"127.0.0.1:1\"", "htpp"),
            ("[batcher]\nbatch_intents_max = 2000", "batch_intents_max"),
            ("[broker]\nretention_hours = 0", "retention_hours"),
            ("[broker]\nport = 70000", "port"),
            ("[ledger]\nlog_retention_hours = 1", "log_retention_hours"),
            ("[broker]\nretention_hours = 1000", "retention_hours"),
            ("[operator]\nlisten = \"here\"", "listen"),
            ("[payment]\npage_url = \"http://p/\"", "page_url"),
            (
                "[payment]\npage_url = \"http://p/{attempt_id}\"\n[payment.provider]\nurl = \"http://p\"\n\
                 token = \"t\"\nsigning_secrets = [\"short\"]",
                "signing_secrets",
            ),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
    }
}
