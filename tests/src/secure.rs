//! Servers that demand TLS and users: what `scripts/stack up --secure` made for its clients.

use std::{collections::HashMap, fs, path::PathBuf};

use flashgate_access::TlsFiles;
use flashgate_messaging::rocketmq::{RocketMqConfig, TlsConfig};

/// Certificates and passwords of a secure stack.
#[derive(Clone, Debug)]
pub struct Secure {
    variables: HashMap<String, String>,
}

/// The rights of a secure stack are for this prefix of topics and keys.
const PREFIX: &str = "FLASHGATE_TOPIC_PREFIX";
const FOLDER: &str = "FLASHGATE_STACK_DIR";

impl Secure {
    /// Reads the variables of a `stack.env`; nothing if the stack is not secure.
    pub fn from_variables(variables: &HashMap<String, String>) -> Option<Self> {
        variables.contains_key("FLASHGATE_CA").then(|| Self { variables: variables.clone() })
    }

    fn variable(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("the stack has no {name}"))
    }

    /// The prefix of keys and topics that its users have rights on.
    pub fn prefix(&self) -> &str {
        self.variable(PREFIX)
    }

    /// The authority that signed the certificates of all servers.
    pub fn authority(&self) -> &str {
        self.variable("FLASHGATE_CA")
    }

    /// An authority that signed none of them.
    pub fn unknown_authority(&self) -> &str {
        self.variable("FLASHGATE_UNKNOWN_CA")
    }

    /// A client's certificate and its key, which every server accepts.
    pub fn client(&self) -> [&str; 2] {
        ["FLASHGATE_CLIENT_CERTIFICATE", "FLASHGATE_CLIENT_KEY"].map(|name| self.variable(name))
    }

    /// The files of a client that has a certificate.
    pub fn files(&self) -> TlsFiles {
        let [certificate, key] = self.client().map(PathBuf::from);
        TlsFiles {
            ca_file: Some(self.authority().into()),
            certificate_file: Some(certificate),
            key_file: Some(key),
        }
    }

    /// The file with the password of a user: `redis-gateway`, `mysql-worker`.
    pub fn password_file(&self, user: &str) -> PathBuf {
        PathBuf::from(self.variable(FOLDER)).join("secrets").join(user)
    }

    /// The password of a user.
    ///
    /// # Panics
    /// If the stack has no such user.
    pub fn password(&self, user: &str) -> String {
        fs::read_to_string(self.password_file(user)).unwrap()
    }

    /// Every password of the stack.
    ///
    /// # Panics
    /// If they cannot be read.
    pub fn passwords(&self) -> Vec<String> {
        let files = fs::read_dir(self.password_file("")).unwrap();
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    /// The settings with which a gateway logs in to Redis and RocketMQ.
    pub fn of_gateway(&self) -> Vec<(String, String)> {
        let set = |key: &str, value: String| (format!("FLASHGATE_GATEWAY__REDIS__{key}"), value);
        let redis = [
            set("PASSWORD_FILE", self.password_file("redis-gateway").display().to_string()),
            set("TLS__CA_FILE", self.authority().to_owned()),
        ];
        redis.into_iter().chain(self.of_rocketmq("FLASHGATE_GATEWAY__", "gateway")).collect()
    }

    /// The settings with which `user` (`worker`, `migrator`) logs in to MySQL, and a worker to RocketMQ.
    pub fn of_worker(&self, user: &str) -> Vec<(String, String)> {
        let set = |key: &str, value: String| (format!("FLASHGATE_WORKER__ORDER_STORE__{key}"), value);
        let mysql = [
            set("PASSWORD_FILE", self.password_file(&format!("mysql-{user}")).display().to_string()),
            set("TLS__MODE", "verify-identity".to_owned()),
            set("TLS__CA_FILE", self.authority().to_owned()),
        ];
        mysql.into_iter().chain(self.of_rocketmq("FLASHGATE_WORKER__", "worker")).collect()
    }

    /// Whether RocketMQ is one of the secure servers.
    fn has_rocketmq(&self) -> bool {
        self.variables.contains_key("FLASHGATE_ROCKETMQ_ADMINISTRATOR_PASSWORD")
    }

    fn of_rocketmq(&self, program: &str, user: &str) -> Vec<(String, String)> {
        if !self.has_rocketmq() {
            return Vec::new();
        }
        let set = |key: &str, value: String| (format!("{program}ROCKETMQ__{key}"), value);
        vec![
            set("USER", user.to_owned()),
            set("PASSWORD_FILE", self.password_file(&format!("rocketmq-{user}")).display().to_string()),
            set("TLS__ENABLED", "true".to_owned()),
            set("TLS__CA_FILE", self.authority().to_owned()),
        ]
    }

    /// How `user` (`administrator`, `gateway`, …) reaches RocketMQ behind that name server.
    pub fn rocketmq(&self, name_server: &str, user: &str) -> RocketMqConfig {
        let plain = RocketMqConfig { prefix: self.prefix().to_owned(), ..RocketMqConfig::at(name_server) };
        if !self.has_rocketmq() {
            return plain;
        }
        RocketMqConfig {
            user: Some(user.to_owned()),
            password_file: Some(self.password_file(&format!("rocketmq-{user}"))),
            tls: TlsConfig { enabled: true, ca_file: Some(self.authority().into()), ..TlsConfig::default() },
            ..plain
        }
    }

    /// The URL of Redis for a gateway; `address` is `host:port`.
    pub fn redis_url(address: impl std::fmt::Display) -> String {
        format!("rediss://gateway@{address}")
    }

    /// The URL of MySQL for `user`.
    pub fn mysql_url(user: &str, address: impl std::fmt::Display) -> String {
        format!("mysql://{user}@{address}/flashgate")
    }
}
