//! Chooses the server of a call and decides what may be retried.
//!
//! There is no slot map of a cluster here: each shard lives in one slot, and the cluster itself redirects a call that
//! went to the wrong node. The node that answered is remembered for the shard.
//!
//! A call whose connection was lost is sent once more. That is sound, since every script is idempotent (batches by
//! their id, sales by their state), and a number that [`next_node`] skips does no harm. But once a request may have
//! reached a server, a failed call is [`LedgerError::NoAnswer`], whatever the retry returned.
//!
//! [`next_node`]: flashgate_ledger::Identifying::next_node

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{Shard, id::SHARDS_MAX};
use flashgate_ledger::LedgerError;
use metrics::counter;
use parking_lot::{Mutex, MutexGuard};
use redis::{Client, Cmd, ConnectionAddr, ServerError, Value};
use tokio::time::{Instant, sleep};

use super::{
    config::{InvalidRedisConfig, RedisConfig},
    connection::{CallError, Link, is_of_wrong_server},
    login::{Login, is_tls},
    scripts::ScriptCall,
};

/// Maximum attempts per call. The longest path is on a cluster after a failover: a lost connection, a dead node, a
/// redirection, and some waiting for the new master.
const ATTEMPTS_MAX: usize = 12;
/// The pause before retrying on a cluster that is about to elect a master, or to move a slot.
const CLUSTER_PAUSE: Duration = Duration::from_millis(20);
/// Maximum nodes in the map; the recommended maximum of a cluster.
const NODES_MAX: usize = 1_000;
/// Errors of a server that has not begun to execute the command.
const REFUSALS: [&str; 15] = [
    "OOM",
    "LOADING",
    "READONLY",
    "MISCONF",
    "BUSY",
    "NOREPLICAS",
    "NOAUTH",
    "NOPERM",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "TRYAGAIN",
    "MOVED",
    "ASK",
    "CROSSSLOT",
    "NOSCRIPT",
];

/// The refusals that a script gets at its first write or not at all: it has changed nothing yet.
const AT_FIRST_WRITE: [&str; 5] = ["OOM", "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN"];
/// The marker in an error of a command inside a script.
const FROM_INSIDE: &str = "@user_script";

/// Whether the error proves that nothing changed. Redis does not undo the writes of a script that failed.
fn proves_nothing_done(error: &ServerError) -> bool {
    let inside = error.details().is_some_and(|details| details.contains(FROM_INSIDE));
    if inside { AT_FIRST_WRITE.contains(&error.code()) } else { REFUSALS.contains(&error.code()) }
}

/// The location of a call's keys, all in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyLocation {
    /// The keys of a shard.
    Shard(Shard),
    /// The counter of starts.
    Nodes,
}

impl KeyLocation {
    fn index(self) -> u16 {
        match self {
            Self::Shard(shard) => shard.get(),
            Self::Nodes => SHARDS_MAX,
        }
    }
}

/// The servers of a ledger.
pub(super) struct Servers {
    seeds: Vec<Arc<Link>>,
    cluster: bool,
    connect_timeout: Duration,
    response_timeout: Duration,
    known: Mutex<Topology>,
    /// Counts servers that turned out to be down, silent or the wrong ones.
    losses: AtomicU64,
}

#[derive(Default)]
struct Topology {
    /// The nodes of redirections, by address.
    nodes: HashMap<String, Arc<Link>>,
    /// The node that answered for each location.
    homes: HashMap<u16, Arc<Link>>,
}

impl Servers {
    /// Opens no connection yet.
    pub(super) fn new(config: &RedisConfig) -> Result<Self, InvalidRedisConfig> {
        let (connect_timeout, login) = (config.connect_timeout(), Arc::new(Login::of(config)?));
        let seeds = config.urls.iter().map(|url| -> Result<_, InvalidRedisConfig> {
            let info = Client::open(url.info().clone()).map_err(InvalidRedisConfig::Url)?;
            let info = info.get_connection_info().clone();
            Ok(Arc::new(Link::new(info, Arc::clone(&login), connect_timeout)))
        });
        Ok(Self {
            seeds: seeds.collect::<Result<_, _>>()?,
            cluster: config.cluster,
            connect_timeout,
            response_timeout: config.response_timeout(),
            known: Mutex::default(),
            losses: AtomicU64::new(0),
        })
    }

    /// All known servers, the configured ones first.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        self.seeds.iter().chain(self.known().nodes.values()).cloned().collect()
    }

    /// The timeout for a connection.
    pub(super) const fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// Changes whenever a server turned out to be down, silent or the wrong one: other connections to its address may
    /// lead to the wrong server too.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }

    /// Sends a command to its keys' location. `script`: the call of a script that the command is.
    pub(super) async fn send(
        &self,
        name: &'static str,
        location: KeyLocation,
        command: Cmd,
        script: Option<&ScriptCall>,
    ) -> Result<Value, LedgerError> {
        let deadline = Instant::now() + self.response_timeout;
        let home = self.known().homes.get(&location.index()).cloned();
        let mut untried = self.links().into_iter();
        let mut target = home.or_else(|| untried.next()).map(|link| (link, false));
        let mut call = Call {
            servers: self,
            name,
            location,
            script,
            command,
            doubt: None,
            failure: None,
            is_led_back: false,
        };
        for _attempt in 0..ATTEMPTS_MAX {
            let Some((link, asking)) = target.take() else { break };
            match link.call(&call.command, asking, deadline).await {
                Ok(value) => {
                    if !asking {
                        self.known().homes.insert(location.index(), link);
                    }
                    return Ok(value);
                }
                Err(failed) => match call.after(failed, &link) {
                    Next::Never => break,
                    Next::Again => target = Some((link, asking)),
                    Next::At(node, asking) => target = Some((node, asking)),
                    Next::Elsewhere => target = untried.next().map(|link| (link, false)),
                    Next::Later => {
                        if Instant::now() + CLUSTER_PAUSE < deadline {
                            sleep(CLUSTER_PAUSE).await;
                            target = Some((link, asking));
                        }
                    }
                },
            }
        }
        Err(call.into_fault())
    }

    fn known(&self) -> MutexGuard<'_, Topology> {
        // A panic cannot leave the maps half changed.
        self.known.lock()
    }

    /// The node of a redirection, as in `3999 127.0.0.1:6381`. An empty host means the one that redirected.
    fn redirected(&self, details: Option<&str>, from: &Link) -> Option<Arc<Link>> {
        let (_slot, address) = details.filter(|_details| self.cluster)?.split_once(' ')?;
        let (host, port) = address.rsplit_once(':')?;
        let (ConnectionAddr::Tcp(same_host, _) | ConnectionAddr::TcpTls { host: same_host, .. }) =
            from.info().addr()
        else {
            return None;
        };
        let host = if host.is_empty() { same_host } else { host }.to_owned();
        let port = port.parse().ok()?;
        // A node that is asked over TLS names the ports for TLS.
        let address = if is_tls(from.info()) {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let name = address.to_string();
        let known_seed = self.seeds.iter().find(|seed| seed.address() == name);
        let mut known = self.known();
        if let Some(link) = known_seed.or_else(|| known.nodes.get(&name)) {
            return Some(Arc::clone(link));
        }
        if known.nodes.len() >= NODES_MAX {
            known.nodes.clear();
        }
        let info = from.info().clone().set_addr(address);
        let link = Arc::new(Link::new(info, Arc::clone(from.login()), self.connect_timeout));
        known.nodes.insert(name, Arc::clone(&link));
        Some(link)
    }
}

/// What to try after a failed attempt.
enum Next {
    /// Nothing: the failure is final.
    Never,
    /// The same node, at once.
    Again,
    /// The same node, after a pause.
    Later,
    /// This node; `true` if the slot is being moved there and the command must ask for it.
    At(Arc<Link>, bool),
    /// A node that was not tried yet.
    Elsewhere,
}

/// A call under way.
struct Call<'a> {
    servers: &'a Servers,
    name: &'static str,
    location: KeyLocation,
    script: Option<&'a ScriptCall>,
    command: Cmd,
    /// Set once a server may have received the request and its answer is lost.
    doubt: Option<String>,
    failure: Option<LedgerError>,
    /// Set once the wrong server answered: its address is resolved again, once.
    is_led_back: bool,
}

impl Call<'_> {
    fn into_fault(self) -> LedgerError {
        let unreachable = || LedgerError::Unreachable("every known server was tried".to_owned());
        self.doubt.map_or_else(|| self.failure.unwrap_or_else(unreachable), LedgerError::NoAnswer)
    }

    fn after(&mut self, failed: CallError, link: &Link) -> Next {
        match failed {
            CallError::NotSent(why) => {
                self.servers.known().homes.remove(&self.location.index());
                self.failure = Some(LedgerError::Unreachable(why));
                Next::Elsewhere
            }
            CallError::Lost(why) => {
                self.note_loss();
                let first = self.doubt.is_none();
                self.doubt = Some(why);
                let repeats = self.script.is_none_or(|call| call.script.can_be_repeated());
                if first && repeats { Next::Again } else { Next::Never }
            }
            CallError::TimedOut => {
                self.note_loss();
                let limit = self.servers.response_timeout.as_millis();
                self.doubt = Some(format!("{} took more than {limit} ms", self.name));
                Next::Never
            }
            CallError::Server(error) => self.after_error(&error, link),
        }
    }

    fn note_loss(&self) {
        self.servers.losses.fetch_add(1, Ordering::Relaxed);
    }

    fn after_error(&mut self, error: &ServerError, link: &Link) -> Next {
        self.failure = Some(self.fault_of(error));
        match (error.code(), self.script) {
            ("NOSCRIPT", Some(script)) => {
                counter!("flashgate_ledger_script_loads_total", "script" => self.name).increment(1);
                self.command = script.by_code();
                Next::Again
            }
            (code @ ("MOVED" | "ASK"), _) => {
                let node = self.servers.redirected(error.details(), link);
                node.map_or(Next::Never, |node| Next::At(node, code == "ASK"))
            }
            ("TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN", _) if self.servers.cluster => Next::Later,
            // Nothing changed. Its address may lead to another server by now; on a cluster, another node may redirect.
            (code, _) if is_of_wrong_server(code) && proves_nothing_done(error) => {
                self.note_loss();
                self.servers.known().homes.remove(&self.location.index());
                match (std::mem::replace(&mut self.is_led_back, true), self.servers.cluster) {
                    (true, _) => Next::Never,
                    (false, true) => Next::Elsewhere,
                    (false, false) => Next::Again,
                }
            }
            _ => Next::Never,
        }
    }

    fn fault_of(&self, error: &ServerError) -> LedgerError {
        if proves_nothing_done(error) {
            LedgerError::Refused(error.to_string())
        } else {
            // A script that failed half-way leaves its earlier writes.
            super::reply::unknown(self.name, error)
        }
    }
}
