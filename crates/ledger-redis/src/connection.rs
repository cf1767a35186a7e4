//! One server: a connection that all calls share, and that is replaced after a failure.
//!
//! A server may report that it is the wrong one (a replica now, loading, cut off from its replicas), because its
//! address leads to another server by now: the connection is dropped, and the address is resolved again.
//!
//! What a failed call proves depends on when it failed, so the error keeps the difference: with
//! [`CallError::NotSent`] the server certainly never got the request, with [`CallError::Lost`] and
//! [`CallError::TimedOut`] it may have.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use metrics::counter;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, PushInfo, PushKind, RedisResult, ServerError, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};
use tracing::{info, warn};

use super::login::{self, ConnectError, Login};

/// How long a failed attempt to connect is the answer to further calls. Long enough that a crowd of waiting calls does
/// not try one after the other, short enough to go unnoticed once the server is up again.
const FAILURE_HOLDS: Duration = Duration::from_millis(50);

/// Errors of a server that is the wrong one, now or for good. A missing right (NOPERM) is not among them: it would be
/// missing on the next connection as well, and the calls that are allowed must keep theirs.
const WRONG_SERVER: [&str; 6] = ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "NOAUTH"];

/// Whether the error says that the connection leads to the wrong server.
pub(super) fn is_of_wrong_server(code: &str) -> bool {
    WRONG_SERVER.contains(&code)
}

/// A failed call.
#[derive(Debug)]
pub(super) enum CallError {
    /// There was no connection. The server never got the request.
    NotSent(String),
    /// The connection was lost after the request had been passed to it.
    Lost(String),
    /// No answer within the timeout.
    TimedOut,
    /// The server answered with an error.
    Server(ServerError),
}

async fn send(mut connection: MultiplexedConnection, command: &Cmd, asking: bool) -> RedisResult<Value> {
    if !asking {
        return connection.req_packed_command(command).await;
    }
    // In one pipeline, so that no other call of the connection comes in between.
    let mut both = redis::pipe();
    both.cmd("ASKING").add_command(command.clone());
    let mut results = connection.req_packed_commands(&both, 1, 1).await?;
    Ok(results.pop().unwrap_or(Value::Nil))
}

/// A server and the connection to it.
pub(super) struct Link {
    info: ConnectionInfo,
    login: Arc<Login>,
    connect_timeout: Duration,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    live: Option<Live>,
    failed: Option<(Instant, String)>,
    /// When a connection was last dropped because it led to the wrong server.
    led_astray_at: Option<Instant>,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Set once the connection is unusable: closed by the server, or dropped here.
    over: Arc<AtomicBool>,
    /// Also set if it leads to the wrong server.
    astray: Arc<AtomicBool>,
}

impl Link {
    /// A link that connects at the first call.
    pub(super) fn new(info: ConnectionInfo, login: Arc<Login>, connect_timeout: Duration) -> Self {
        Self { info, login, connect_timeout, slot: Mutex::default() }
    }

    /// The server's address.
    pub(super) fn address(&self) -> String {
        self.info.addr().to_string()
    }

    /// The server's address and credentials.
    pub(super) const fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The password and the files for connections.
    pub(super) const fn login(&self) -> &Arc<Login> {
        &self.login
    }

    /// A client with the current credentials, for a connection of another kind (pub/sub).
    pub(super) async fn client(&self) -> Result<Client, ConnectError> {
        self.login.client(&self.info).await
    }

    /// Connects once, for its error.
    pub(super) async fn check(&self) -> Result<(), ConnectError> {
        self.connect().await.map(drop)
    }

    /// Sends one command and awaits its answer until `deadline` (connecting has its own timeout). `asking` tells a
    /// cluster node that the slot is being moved to it.
    pub(super) async fn call(
        &self,
        command: &Cmd,
        asking: bool,
        deadline: Instant,
    ) -> Result<Value, CallError> {
        let live = self.live().await.map_err(CallError::NotSent)?;
        let answer = timeout_at(deadline, send(live.connection.clone(), command, asking)).await;
        let failed = match answer {
            Ok(Ok(Value::ServerError(error))) => CallError::Server(error),
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => match ServerError::try_from(error) {
                Ok(error) => CallError::Server(error),
                Err(broken) => CallError::Lost(broken.to_string()),
            },
            // The server may be down without having closed the connection, which would stay silent for minutes.
            Err(_elapsed) => CallError::TimedOut,
        };
        match &failed {
            CallError::Server(error) if !is_of_wrong_server(error.code()) => return Err(failed),
            CallError::Server(_wrong_server) => live.astray.store(true, Ordering::Release),
            CallError::NotSent(_) | CallError::Lost(_) | CallError::TimedOut => {}
        }
        live.over.store(true, Ordering::Release);
        Err(failed)
    }

    /// The connection; a new one if there is none or it is unusable. One attempt at a time: other calls wait for it.
    async fn live(&self) -> Result<Live, String> {
        let mut slot = self.slot.lock().await;
        if let Some(live) = slot.live.as_ref().filter(|live| !live.over.load(Ordering::Acquire)) {
            return Ok(live.clone());
        }
        if slot.live.take().is_some_and(|before| before.astray.load(Ordering::Acquire)) {
            // The new connection led to the wrong server as well: a crowd of calls must not open one each.
            let again = slot.led_astray_at.filter(|at| at.elapsed() < FAILURE_HOLDS);
            slot.failed = again.map(|at| (at, format!("{}: the wrong server", self.address())));
            slot.led_astray_at = Some(again.unwrap_or_else(Instant::now));
        }
        if let Some((at, why)) = &slot.failed
            && at.elapsed() < FAILURE_HOLDS
        {
            return Err(why.clone());
        }
        match self.connect().await {
            Ok(live) => {
                info!(address = self.address(), "connected to Redis");
                counter!("flashgate_ledger_connections_total", "result" => "made").increment(1);
                *slot = Slot { live: Some(live.clone()), failed: None, led_astray_at: slot.led_astray_at };
                Ok(live)
            }
            Err(error) => {
                let why = error.to_string();
                warn!(address = self.address(), error = why, "connecting to Redis failed");
                counter!("flashgate_ledger_connections_total", "result" => "failed").increment(1);
                slot.failed = Some((Instant::now(), why.clone()));
                Err(why)
            }
        }
    }

    async fn connect(&self) -> Result<Live, ConnectError> {
        let over = Arc::new(AtomicBool::new(false));
        let watch = Arc::clone(&over);
        let on_push = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                watch.store(true, Ordering::Release);
            }
            Ok::<(), redis::aio::SendError>(())
        };
        // Each call has its own deadline.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(on_push);
        let attempt = async {
            let client = self.client().await?;
            let connection = client.get_multiplexed_async_connection_with_config(&config).await;
            connection.map_err(|error| login::failure(self.address(), &error))
        };
        match timeout(self.connect_timeout, attempt).await {
            Ok(connection) => Ok(Live { connection: connection?, over, astray: Arc::default() }),
            Err(_elapsed) => Err(ConnectError::Other(format!(
                "{}: no connection after {} ms",
                self.address(),
                self.connect_timeout.as_millis()
            ))),
        }
    }
}
