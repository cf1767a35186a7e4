//! Real servers of a test's own, run by `scripts/stack`: each can be killed and frozen without harm to others.

use std::{collections::HashMap, fmt, path::PathBuf, process::Command as Blocking};

use tempfile::TempDir;
use tokio::process::Command;

use crate::{secure::Secure, stack::Stack};

/// A server of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The ledger.
    Redis,
    /// The order store.
    Mysql,
    /// RocketMQ's name server.
    NameServer,
    /// RocketMQ's broker.
    Broker,
    /// The second one, of a stack that has two.
    SecondBroker,
}

impl Part {
    /// Every server that each stack has.
    pub const ALL: [Self; 4] = [Self::Redis, Self::Mysql, Self::NameServer, Self::Broker];

    const fn word(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Mysql => "mysql",
            Self::NameServer => "namesrv",
            Self::Broker => "broker",
            Self::SecondBroker => "broker2",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// MySQL's files without any order take 100 MiB.
const MYSQL_DISK_MIB: &str = "256";
/// Enough for what some strikes write, so that only a fill makes it full.
const BROKER_DISK_MIB: &str = "512";

/// Some servers, or all. Dropping it removes them.
#[derive(Debug)]
pub struct OwnStack {
    folder: TempDir,
    addresses: HashMap<String, String>,
}

impl OwnStack {
    /// Starts every server as production has it, and waits until all answer. A Redis that writes its file only every
    /// second can lose what it acknowledged when it is killed: it puts writes off while the disk is busy.
    ///
    /// # Panics
    /// If they do not.
    pub async fn durable() -> Self {
        Self::up(&["--durable"]).await
    }

    /// MySQL alone, as production has it, and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub async fn durable_mysql() -> Self {
        Self::up(&["--durable", "--only", "mysql"]).await
    }

    /// Starts `parts`, as `scripts/stack --only` names them, and waits until they answer.
    ///
    /// # Panics
    /// If they do not.
    pub async fn of(parts: &str) -> Self {
        Self::up(&["--only", parts]).await
    }

    /// Starts `parts` so that they demand TLS and users, who have rights on keys and topics of `prefix`.
    ///
    /// # Panics
    /// If they do not answer.
    pub async fn secure(parts: &str, prefix: &str) -> Self {
        Self::up(&["--secure", "--only", parts, "--prefix", prefix]).await
    }

    /// What clients of a secure stack need.
    ///
    /// # Panics
    /// If it is not secure.
    pub fn access(&self) -> Secure {
        Secure::from_variables(&self.addresses).expect("a secure stack")
    }

    /// Gives the servers of a part another certificate: `valid`, `expired` or `unknown`. Redis and MySQL lose their
    /// connections.
    pub async fn give_certificate(&self, part: &str, state: &str) {
        self.call(&["certificate", part, state]).await;
    }

    /// Starts a RocketMQ with two masters, and waits until all three answer.
    ///
    /// # Panics
    /// If they do not.
    pub async fn of_two_brokers() -> Self {
        Self::up(&["--only", "rocketmq", "--brokers", "2"]).await
    }

    /// Starts another release of RocketMQ than the usual one, and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub async fn of_rocketmq(version: &str) -> Self {
        Self::up(&["--only", "rocketmq", "--rocketmq-version", version]).await
    }

    /// Runs RocketMQ's own tool for administrators with `words`; what it printed.
    ///
    /// # Errors
    /// What it printed, if it failed.
    ///
    /// # Panics
    /// If `scripts/stack` cannot be called.
    pub async fn mqadmin(&self, words: &[&str]) -> Result<String, String> {
        self.attempt(&[&["mqadmin"], words].concat()).await
    }

    /// The same, with the data of MySQL and of the broker on small disks of their own, for [`OwnStack::fill`].
    ///
    /// # Panics
    /// If they do not answer, or no server can have such a disk here: see [`OwnStack::cannot_fill`].
    pub async fn on_small_disks() -> Self {
        Self::up(&["--durable", "--mysql-disk-mb", MYSQL_DISK_MIB, "--broker-disk-mb", BROKER_DISK_MIB]).await
    }

    /// What is missing on this machine for small disks; nothing if servers can have them.
    ///
    /// # Panics
    /// If `scripts/stack` cannot be called.
    pub async fn cannot_fill() -> Option<String> {
        let asked = Command::new(script()).arg("can-fill").output().await.unwrap();
        (!asked.status.success()).then(|| String::from_utf8_lossy(&asked.stderr).trim().to_owned())
    }

    async fn up(options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("flashgate-stack-").unwrap();
        let mut stack = Self { folder, addresses: HashMap::new() };
        stack.call(&[&["up"], options].concat()).await;
        let exports = stack.call(&["env"]).await;
        let exports = exports.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        stack.addresses = exports.map(|(name, value)| (name.to_owned(), value.replace('\\', ""))).collect();
        stack
    }

    /// Where all of them are.
    ///
    /// # Panics
    /// If some were not started.
    pub fn stack(&self) -> Stack {
        Stack {
            redis_url: self.redis_url(),
            mysql_url: self.mysql_url(),
            name_server: self.name_server(),
            broker: self.address("FLASHGATE_BROKER"),
            secure: Secure::from_variables(&self.addresses),
        }
    }

    /// The same, with the RocketMQ of `other`.
    ///
    /// # Panics
    /// If Redis or MySQL was not started.
    pub fn with_rocketmq_of(&self, other: &Stack) -> Stack {
        Stack {
            redis_url: self.redis_url(),
            mysql_url: self.mysql_url(),
            secure: Secure::from_variables(&self.addresses),
            ..other.clone()
        }
    }

    /// The URL of Redis.
    ///
    /// # Panics
    /// If it was not started.
    pub fn redis_url(&self) -> String {
        self.address("FLASHGATE_REDIS_URL")
    }

    /// The URL of MySQL.
    ///
    /// # Panics
    /// If it was not started.
    pub fn mysql_url(&self) -> String {
        self.address("FLASHGATE_MYSQL_URL")
    }

    /// `host:port` of the name server.
    ///
    /// # Panics
    /// If it was not started.
    pub fn name_server(&self) -> String {
        self.address("FLASHGATE_NAMESRV")
    }

    fn address(&self, variable: &str) -> String {
        self.addresses.get(variable).unwrap_or_else(|| panic!("the stack has no {variable}")).clone()
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&self, part: Part) {
        self.call(&["kill", part.word()]).await;
    }

    /// Starts it again with what it had stored if it does not run, and waits until it answers and the others know it.
    pub async fn start_again(&self, part: Part) {
        let words = ["start", part.word()];
        // On a machine that is busy a server may take longer than the script waits for it.
        if let Err(slow) = self.attempt(&words).await {
            eprintln!("{slow}");
            self.call(&words).await;
        }
    }

    /// SIGSTOP: it holds its connections and answers nothing.
    pub async fn freeze(&self, part: Part) {
        self.call(&["kill", part.word(), "-STOP"]).await;
    }

    /// SIGCONT.
    pub async fn thaw(&self, part: Part) {
        self.call(&["kill", part.word(), "-CONT"]).await;
    }

    /// Writes onto the small disk of a server until `percent` of it are used.
    pub async fn fill(&self, part: Part, percent: u32) {
        self.call(&["fill", part.word(), &percent.to_string()]).await;
    }

    /// Takes away what was filled in.
    pub async fn make_room(&self, part: Part) {
        self.call(&["make-room", part.word()]).await;
    }

    /// Runs `scripts/stack`; what it printed.
    async fn call(&self, words: &[&str]) -> String {
        self.attempt(words).await.unwrap_or_else(|failed| panic!("{failed}"))
    }

    async fn attempt(&self, words: &[&str]) -> Result<String, String> {
        let folder = self.folder.path();
        let ran = Command::new(script()).args(words).arg("--dir").arg(folder).output().await.unwrap();
        if !ran.status.success() {
            let printed = [ran.stdout, ran.stderr].concat();
            return Err(format!("stack {words:?}: {}", String::from_utf8_lossy(&printed)));
        }
        Ok(String::from_utf8(ran.stdout).unwrap())
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        let removed =
            Blocking::new(script()).args(["down", "--purge", "--dir"]).arg(self.folder.path()).output();
        if !removed.is_ok_and(|removed| removed.status.success()) {
            eprintln!("left behind: {}", self.folder.path().display());
        }
    }
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/stack")
}
