//! One server: a connection that is shared by all calls, and made anew after it broke.
//!
//! What a failed call proves depends on when it failed, so the difference is kept: [`Failed::NotSent`] is
//! certain that the server never got the request, [`Failed::Lost`] and [`Failed::TimedOut`] are not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use metrics::counter;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, PushInfo, PushKind, RedisError, RedisResult,
    ServerError, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};
use tracing::{info, warn};

/// For how long a failed attempt to connect is the answer to the calls that follow. Long enough that a crowd
/// of waiting calls does not try one after the other, short enough that nobody notices once the server is back.
const FAILURE_HOLDS: Duration = Duration::from_millis(50);

/// A call that got no value.
#[derive(Debug)]
pub(super) enum Failed {
    /// There was no connection. The server never got the request.
    NotSent(String),
    /// The connection broke after the request had been given to it.
    Lost(String),
    /// No answer came in time.
    TimedOut,
    /// The server answered with an error.
    Error(ServerError),
}

async fn send(mut connection: MultiplexedConnection, command: &Cmd, asking: bool) -> RedisResult<Value> {
    if !asking {
        return connection.req_packed_command(command).await;
    }
    // In one piece, so that no other call of the connection comes in between.
    let mut both = redis::pipe();
    both.cmd("ASKING").add_command(command.clone());
    let mut answers = connection.req_packed_commands(&both, 1, 1).await?;
    Ok(answers.pop().unwrap_or(Value::Nil))
}

/// A server and the connection to it.
pub(super) struct Link {
    client: Client,
    connect_timeout: Duration,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    live: Option<Live>,
    failed: Option<(Instant, String)>,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Set once the connection is of no use any more: closed by the other side, or given up here.
    over: Arc<AtomicBool>,
}

impl Link {
    /// A link that connects when it is first used.
    pub(super) fn new(info: ConnectionInfo, connect_timeout: Duration) -> Result<Self, RedisError> {
        Ok(Self { client: Client::open(info)?, connect_timeout, slot: Mutex::default() })
    }

    /// Where the server is.
    pub(super) fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    /// How to get there.
    pub(super) fn info(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }

    /// A client, for a connection of another kind.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Sends one command and waits for its answer, until `deadline` at most (connecting has a limit of its own).
    /// `asking` tells a cluster node that the slot is on its way to it.
    pub(super) async fn call(&self, command: &Cmd, asking: bool, deadline: Instant) -> Result<Value, Failed> {
        let Live { connection, over } = self.live().await.map_err(Failed::NotSent)?;
        match timeout_at(deadline, send(connection, command, asking)).await {
            Ok(Ok(Value::ServerError(error))) => Err(Failed::Error(error)),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => match ServerError::try_from(error) {
                Ok(error) => Err(Failed::Error(error)),
                Err(broken) => {
                    over.store(true, Ordering::Release);
                    Err(Failed::Lost(broken.to_string()))
                }
            },
            Err(_elapsed) => {
                // The server may be gone without a word, and a connection to it would stay silent for minutes.
                over.store(true, Ordering::Release);
                Err(Failed::TimedOut)
            }
        }
    }

    /// The connection; a new one if there is none or it is over. One attempt at a time: others wait for it.
    async fn live(&self) -> Result<Live, String> {
        let mut slot = self.slot.lock().await;
        if let Some(live) = slot.live.as_ref().filter(|live| !live.over.load(Ordering::Acquire)) {
            return Ok(live.clone());
        }
        slot.live = None;
        if let Some((at, why)) = &slot.failed
            && at.elapsed() < FAILURE_HOLDS
        {
            return Err(why.clone());
        }
        match self.connect().await {
            Ok(live) => {
                info!(address = self.address(), "connected to Redis");
                counter!("flashgate_ledger_connections_total", "result" => "made").increment(1);
                *slot = Slot { live: Some(live.clone()), failed: None };
                Ok(live)
            }
            Err(why) => {
                warn!(address = self.address(), why, "no connection to Redis");
                counter!("flashgate_ledger_connections_total", "result" => "failed").increment(1);
                slot.failed = Some((Instant::now(), why.clone()));
                Err(why)
            }
        }
    }

    async fn connect(&self) -> Result<Live, String> {
        let over = Arc::new(AtomicBool::new(false));
        let watch = Arc::clone(&over);
        let on_push = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                watch.store(true, Ordering::Release);
            }
            Ok::<(), redis::aio::SendError>(())
        };
        // Each call brings its own deadline.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(on_push);
        let attempt = self.client.get_multiplexed_async_connection_with_config(&config);
        match timeout(self.connect_timeout, attempt).await {
            Ok(Ok(connection)) => Ok(Live { connection, over }),
            Ok(Err(error)) => Err(format!("{}: {error}", self.address())),
            Err(_elapsed) => Err(format!(
                "{}: no connection after {} ms",
                self.address(),
                self.connect_timeout.as_millis()
            )),
        }
    }
}
