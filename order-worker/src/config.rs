//! The configuration of the order worker, parsed once into values that cannot be wrong.
//!
//! `config.sample.toml` holds every key with its default; `order-worker config default` prints it.

mod payment;

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use flashgate_access::{FileError, Password, Secret, TlsFiles};
use flashgate_domain::{Backoff, non_zero};
use flashgate_messaging::{InvalidName, rocketmq::RocketMqConfig};
use flashgate_order_store::server::{ServerAccess, ServerSettings, ServerStore, StoreUrl, TlsMode};
use flashgate_service::{
    body::BodyLimits,
    clocks::ClockConfig,
    config::{self, ConfigError},
    listener::ListenerLimits,
    telemetry::LogConfig,
};
use flashgate_supervision::Supervisor;
use serde::Deserialize;
use tonic::transport::Endpoint;

pub use self::payment::{InvalidPageUrl, PageUrl, PaymentConfig};
use crate::stores;

/// Prefix of the environment variables that override the file: `FLASHGATE_WORKER__ORDER_STORE__URL` is
/// `order_store.url`.
pub const ENV_PREFIX: &str = "FLASHGATE_WORKER__";
/// The sample file: every key with its default and the reason for it.
pub const SAMPLE: &str = include_str!("../config.sample.toml");

/// All configuration keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// Logs.
    pub log: LogConfig,
    /// The order store.
    pub order_store: StoreConfig,
    /// The broker, and the prefix of every topic and group.
    pub rocketmq: RocketMqConfig,
    /// The consumption of batches.
    pub consume: ConsumeConfig,
    /// The life of orders after they were placed.
    pub lifecycle: LifecycleConfig,
    /// Payments; off without the table.
    pub payment: Option<PaymentConfig>,
    /// The interface for operators and gateways.
    pub operator: OperatorConfig,
    /// The background audit.
    pub audit: AuditConfig,
    /// Limits on clock differences between servers.
    pub clock: ClockConfig,
}

impl WorkerConfig {
    /// The configuration in `file`, if given, overridden by the environment and checked.
    ///
    /// # Errors
    /// The wrong key, and the expected value.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let config: Self = config::load(file, ENV_PREFIX)?;
        config.check()?;
        Ok(config)
    }

    /// Checks the rules that the field types do not express.
    fn check(&self) -> Result<(), ConfigError> {
        self.order_store.access()?.check().map_err(StoreConfig::unfit)?;
        let unfit =
            |why: InvalidName| ConfigError::unfit("rocketmq.prefix", format!("must make names: {why}"));
        for topic in ["orders", "outcomes", "lifecycle", "timers", "sales"] {
            self.rocketmq.topic(topic).map_err(unfit)?;
        }
        for group in ["order-worker", "order-worker-timers", "order-worker-outbound"] {
            self.rocketmq.group(group).map_err(unfit)?;
        }
        self.rocketmq.check_access().map_err(|wrong| ConfigError::Wrong(format!("rocketmq.{wrong}")))?;
        if let Some(payment) = &self.payment {
            payment.check()?;
        }
        if let Some(url) = &self.audit.gateway_url {
            Endpoint::from_shared(url.clone()).map_err(|why| {
                ConfigError::unfit("audit.gateway_url", format!("must be http://host:port: {why}"))
            })?;
        }
        Ok(())
    }
}

/// The order store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Address and user, with or without a password. The scheme selects the database ([`crate::stores`]).
    pub url: StoreUrl,
    /// The password, if the URL has none. Meant for the environment.
    pub password: Option<Secret>,
    /// A file with the password, read for each connection.
    pub password_file: Option<PathBuf>,
    /// TLS.
    pub tls: StoreTlsConfig,
    /// Maximum connections. 8: one applies chunks, the others answer look-ups.
    pub connections_max: NonZeroU32,
    /// How long a call waits for a connection. 3 s: gateways give up after 5.
    pub acquire_timeout_ms: NonZeroU64,
    /// Timeout of one call, or one transaction. 10 s: a chunk of 1,024 orders takes about 10 ms.
    pub call_timeout_ms: NonZeroU64,
    /// How long a statement waits for a row lock. 2 s: a chunk holds a row for milliseconds, so another client does;
    /// then the batches of that sale wait, and the others continue.
    pub lock_wait_timeout_s: NonZeroU32,
    /// Idle time after which the server ends a connection, and rolls back its transaction. 10 s: the maximum time for
    /// which a dead worker, host and all, can hold the row of a sale. At least 4.
    pub session_timeout_s: NonZeroU32,
    /// Maximum immediate retries of a chunk after a deadlock or a lock wait. 8.
    pub contention_retries_max: u32,
    /// First pause before such a retry. 2 ms: as long as a small chunk takes.
    pub contention_backoff_min_ms: NonZeroU64,
    /// Maximum pause before such a retry. 200 ms.
    pub contention_backoff_max_ms: NonZeroU64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: stores::default_url(),
            password: None,
            password_file: None,
            tls: StoreTlsConfig::default(),
            connections_max: non_zero!(8),
            acquire_timeout_ms: non_zero!(3_000),
            call_timeout_ms: non_zero!(10_000),
            lock_wait_timeout_s: non_zero!(2),
            session_timeout_s: non_zero!(10),
            contention_retries_max: 8,
            contention_backoff_min_ms: non_zero!(2),
            contention_backoff_max_ms: non_zero!(200),
        }
    }
}

impl StoreConfig {
    /// The store, which connects at the first call. `seed` draws the pauses before retries; `supervisor` watches its
    /// background tasks.
    ///
    /// # Errors
    /// The expected form of the URL.
    pub(crate) fn open(
        &self,
        seed: u64,
        supervisor: &Supervisor,
    ) -> Result<Arc<dyn ServerStore>, ConfigError> {
        Ok(stores::parse(&self.url)?.open(self.settings(), self.access()?, seed, supervisor))
    }

    /// How connections are secured.
    fn access(&self) -> Result<ServerAccess, ConfigError> {
        let in_url = stores::parse(&self.url)?.has_password();
        let password = Password::of(self.password.as_ref(), self.password_file.as_ref(), in_url);
        let StoreTlsConfig { mode, ca_file, certificate_file, key_file } = self.tls.clone();
        let tls = TlsFiles { ca_file, certificate_file, key_file };
        Ok(ServerAccess { password: password.map_err(Self::unfit)?, tls_mode: mode, tls })
    }

    fn unfit(wrong: FileError) -> ConfigError {
        ConfigError::Wrong(format!("order_store.{wrong}"))
    }

    fn settings(&self) -> ServerSettings {
        ServerSettings {
            connections_max: self.connections_max,
            acquire_timeout: Duration::from_millis(self.acquire_timeout_ms.get()),
            call_timeout: Duration::from_millis(self.call_timeout_ms.get()),
            lock_wait_timeout: Duration::from_secs(self.lock_wait_timeout_s.get().into()),
            session_timeout: Duration::from_secs(self.session_timeout_s.get().into()),
            contention_retries_max: self.contention_retries_max,
            contention_backoff_min: Duration::from_millis(self.contention_backoff_min_ms.get()),
            contention_backoff_max: Duration::from_millis(self.contention_backoff_max_ms.get()),
        }
    }
}

/// TLS of connections to the order store.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreTlsConfig {
    /// `disabled`, `verify-ca` or `verify-identity`.
    pub mode: TlsMode,
    /// The authorities that are trusted to sign the server's certificate, besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// The certificate of the worker, for a server that demands one.
    pub certificate_file: Option<PathBuf>,
    /// The private key of that certificate.
    pub key_file: Option<PathBuf>,
}

/// The consumption of batches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsumeConfig {
    /// No further batch joins a chunk with this many orders. 1,024: more hardly gains (`docs/adr`), and holds
    /// the rows longer. The last batch may bring a chunk above the limit, to at most twice as many.
    pub chunk_orders_max: NonZeroUsize,
    /// No further batch joins a chunk with this many bytes of bodies. 4 MiB.
    pub chunk_bytes_max: NonZeroUsize,
    /// How long a chunk waits for more batches after its first, if the chunk before it held several: an order of a
    /// large chunk costs a third of an order of a small chunk. 15 ms; 0 takes only what is at hand.
    pub chunk_linger_ms: u64,
    /// Maximum concurrent chunks. 2: one is inserted while the other is committed and published. More
    /// would only wait for each other at the row of a hot sale.
    pub chunks_in_flight: NonZeroUsize,
    /// Maximum orders that wait here for sales with locked rows, while those of other sales continue; at the limit
    /// no batch is taken. 65,536: some 30 MB.
    pub parked_orders_max: NonZeroUsize,
    /// Maximum orders that a worker places per second, to protect the database from a rush: the rest waits in the
    /// broker. 0: no limit.
    pub orders_per_second_max: u32,
    /// How long to wait for a first batch before the shutdown is checked. 500 ms.
    pub poll_wait_ms: NonZeroU64,
    /// Maximum bytes of an outcomes message; more outcomes are split. 1 MiB: a quarter of a broker's limit.
    pub outcomes_bytes_max: NonZeroUsize,
    /// First pause after the store or the broker failed. 50 ms.
    pub retry_backoff_min_ms: NonZeroU64,
    /// Maximum pause after the store or the broker failed. 2 s: how late the worker notices that it is up again.
    pub retry_backoff_max_ms: NonZeroU64,
    /// Interval between readings of the number of waiting batches. 2 s.
    pub lag_interval_ms: NonZeroU64,
    /// Grace period for chunks in process at shutdown. 5 s: half of that of open requests; unfinished chunks are
    /// redelivered.
    pub drain_timeout_ms: NonZeroU64,
}

impl Default for ConsumeConfig {
    fn default() -> Self {
        Self {
            chunk_orders_max: non_zero!(1_024),
            chunk_bytes_max: non_zero!(4 * 1024 * 1024),
            chunk_linger_ms: 15,
            chunks_in_flight: non_zero!(2),
            parked_orders_max: non_zero!(65_536),
            orders_per_second_max: 0,
            poll_wait_ms: non_zero!(500),
            outcomes_bytes_max: non_zero!(1024 * 1024),
            retry_backoff_min_ms: non_zero!(50),
            retry_backoff_max_ms: non_zero!(2_000),
            lag_interval_ms: non_zero!(2_000),
            drain_timeout_ms: non_zero!(5_000),
        }
    }
}

impl ConsumeConfig {
    pub(crate) fn poll_wait(&self) -> Duration {
        Duration::from_millis(self.poll_wait_ms.get())
    }

    /// The pauses after failures. `seed` determines them.
    pub(crate) fn retry_backoff(&self, seed: u64) -> Backoff {
        let millis = |millis: NonZeroU64| Duration::from_millis(millis.get());
        Backoff::new(millis(self.retry_backoff_min_ms), millis(self.retry_backoff_max_ms), seed)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms.get())
    }
}

/// The life of orders after they were placed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LifecycleConfig {
    /// Interval between sweeps for orders that were not paid in time. 30 s: the broker's timers cancel them within
    /// seconds, and the sweep only those whose timers are lost.
    pub sweep_interval_ms: NonZeroU64,
    /// Whether an order is shipped as soon as it is paid. `false`: an operator ships it, or says that it cannot be.
    pub ship_when_paid: bool,
}

impl Default for LifecycleConfig {
    fn default() -> Self {
        Self { sweep_interval_ms: non_zero!(30_000), ship_when_paid: false }
    }
}

/// The interface for operators and gateways.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorConfig {
    /// Address of gRPC and HTTP, on one port. Loopback by default, since it is unauthenticated: every client may do
    /// all.
    pub listen: SocketAddr,
    /// Maximum bytes of a request body. 16 KiB: the longest sale takes less than 2.
    pub body_bytes_max: NonZeroUsize,
    /// Timeout for the body of a request. 5 s.
    pub body_timeout_ms: NonZeroU64,
    /// Limits on connections, and timeouts.
    pub limits: ListenerLimits,
}

impl Default for OperatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7_070)),
            body_bytes_max: non_zero!(16 * 1024),
            body_timeout_ms: non_zero!(5_000),
            limits: ListenerLimits { connections_max: 1_000, ..ListenerLimits::default() },
        }
    }
}

impl OperatorConfig {
    pub(crate) fn body_limits(&self) -> BodyLimits {
        let time_max = Duration::from_millis(self.body_timeout_ms.get());
        BodyLimits { bytes_max: self.body_bytes_max.get(), time_max }
    }
}

/// The background audit. One worker of a deployment is enough.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// The operator's address of any gateway: `http://host:port`. Without it nothing is audited.
    pub gateway_url: Option<String>,
    /// Pause between two audits of all sales. 60 s: an audit reads every order once.
    pub interval_ms: NonZeroU64,
    /// Age from which an open batch is reported as due for a re-drive. 30 s: a lost commit with a late check-back
    /// takes less.
    pub age_ms: NonZeroU64,
    /// Timeout of one call to the gateway. 10 s: a snapshot with a backlog of a million orders.
    pub timeout_ms: NonZeroU64,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            gateway_url: None,
            interval_ms: non_zero!(60_000),
            age_ms: non_zero!(30_000),
            timeout_ms: non_zero!(10_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        process,
        sync::atomic::{AtomicU32, Ordering},
    };

    use flashgate_order_store::server::ServerSettings;
    use flashgate_service::config::{contract::variables_are_read_as_the_file, load};

    use super::{PaymentConfig, WorkerConfig};

    fn check(text: &str) -> Result<WorkerConfig, String> {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("flashgate-worker-{}-{number}.toml", process::id()));
        std::fs::write(&file, text).unwrap();
        let config = load(Some(&file), "FLASHGATE_NO_SUCH_PREFIX__").and_then(|config: WorkerConfig| {
            config.check()?;
            Ok(config)
        });
        std::fs::remove_file(&file).unwrap();
        config.map_err(|error| error.to_string())
    }

    #[test]
    fn the_sample_file_holds_the_defaults() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.sample.toml");
        let sample: WorkerConfig = load(Some(&sample), "FLASHGATE_NO_SUCH_PREFIX__").unwrap();
        assert_eq!(format!("{sample:?}"), format!("{:?}", check("").unwrap()));
    }

    #[test]
    fn a_store_without_a_configuration_has_the_same_settings() {
        assert_eq!(WorkerConfig::default().order_store.settings(), ServerSettings::default());
    }

    /// Payments with the required keys, and `more`.
    fn payment(more: &str) -> String {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        format!(
            "[payment]\npage_url = \"http://p/{{attempt_id}}\"\n{more}\n[payment.provider]\nurl = \"http://p\"\n\
             token = \"t\"\nsigning_secrets = [\"{secret}\"]"
        )
    }

    #[test]
    fn payments_are_off_without_their_table_and_have_defaults() {
        assert!(check("").unwrap().payment.is_none());
        let read = check(&payment("")).unwrap().payment.unwrap();
        let expected = PaymentConfig::new(read.page_url.clone(), read.provider.clone());
        assert_eq!(format!("{read:?}"), format!("{expected:?}"));
        assert!(!format!("{read:?}").contains("whsec_M"), "{read:?}");
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        for (text, key) in [
            ("[consume]\nchunk_size = 1", "chunk_size"),
            ("[consume]\nchunk_orders_max = 0", "chunk_orders_max"),
            ("[consume]\nchunks_in_flight = 0", "chunks_in_flight"),
            ("[consume]\norders_per_second_max = -1", "orders_per_second_max"),
            ("[order_store]\nurl = \"oracle://x/y\"", "order_store.url must be mysql://user"),
            ("[order_store]\nurl = \"mysql://127.0.0.1:3306\"", "order_store.url"),
            ("[order_store]\nurl = \"mysql://127.0.0.1:port/shop\"", "order_store.url must be mysql://user"),
            ("[order_store]\nurl = \"mysql://db/shop?ssl-mode=required\"", "order_store.url"),
            ("[order_store]\npassword_file = \"/missing\"", "order_store.password_file: cannot read"),
            (
                "[order_store]\nurl = \"mysql://me:a@db/shop\"\npassword = \"b\"",
                "order_store.password must be omitted",
            ),
            ("[order_store.tls]\nmode = \"required\"", "order_store.tls.mode"),
            ("[order_store.tls]\nmode = \"verify-ca\"", "order_store.tls.ca_file is required"),
            ("[order_store.tls]\nca_file = \"/missing\"", "order_store.tls.mode must be"),
            (
                "[order_store.tls]\nmode = \"verify-identity\"\nca_file = \"/missing\"",
                "order_store.tls.ca_file: cannot read",
            ),
            ("[rocketmq]\nprefix = \"a b\"", "rocketmq.prefix"),
            ("[payment]", "payment: missing field `page_url`"),
            (&payment("").replace("{attempt_id}", "x"), "payment.page_url: must be http:// or https://"),
            (&payment("listen = \"here\""), "payment.listen"),
            (&payment("check_fist_ms = 1"), "payment.check_fist_ms: unknown key"),
            (&payment("check_first_ms = 0"), "payment.check_first_ms"),
            (&payment("check_first_ms = 400000"), "payment.check_max_ms must be at least"),
            (&payment("refund_backoff_max_ms = 1"), "payment.refund_backoff_max_ms must be at least"),
            (&payment("callback_retention_ms = -1"), "payment.callback_retention_ms"),
            (&payment("").replace("token = ", "tokens = "), "payment.provider.tokens: unknown key"),
            (&payment("").replace("token = \"t\"", ""), "payment.provider.token is required"),
            (&payment("").replace("url = \"http://p\"", "url = \"p\""), "payment.provider.url"),
            ("[audit]\ngateway_url = \"a b\"", "audit.gateway_url must be http://host:port"),
            ("[operator]\nlisten = \"here\"", "listen"),
            ("[operator]\nbody_timeout_ms = 0", "body_timeout_ms"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn the_environment_is_read_as_the_file() {
        let folder = tempfile::tempdir().unwrap();
        variables_are_read_as_the_file::<WorkerConfig>(super::SAMPLE, folder.path());
    }

    #[test]
    fn the_password_is_shown_nowhere() {
        let config = check("[order_store]\nurl = \"mysql://me:hunter2@db:3307/shop\"").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(format!("{config:?}").contains("db:3307/shop"));
        let error = check("[order_store]\nurl = \"mysql://me:hunter2@db:port/shop\"").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
