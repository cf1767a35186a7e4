//! One connection to a broker or a name server, shared by any number of requests.
//!
//! It is the public transport of RocketMQ's Rust client, with what that lacks:
//!
//! * A transport connects again by itself, and closes an address for 30 s after five failed connections, without a
//!   setting. So every connection is a transport of its own, which connects once: whoever opens the next one tries the
//!   address anew, and a member of a group knows that it must register again.
//! * Requests on a connection that ended wait for their deadlines, and one request that reaches its deadline ends the
//!   connection with all others that are under way. So deadlines are kept here, and [`Watch`] ends the requests of a
//!   connection that ended.
//! * A silent connection is not noticed. [`Watch`] probes it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cheetah_string::CheetahString;
use flashgate_domain::causes;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;
use rocketmq_runtime::ShutdownDeadline;
use rocketmq_transport::api::{
    CachedConnectionState, ConnectConfig, ConnectionNetEvent, MaintenanceConfig, OutboundRequestOutcome,
    OutboundRequestRejection, OutboundRequestRejectionReason, OutboundRequestStage, RequestDeadline,
    TransportClient, TransportClientConfig, TransportError,
};
use tokio::{
    sync::{Notify, Semaphore, broadcast},
    task::spawn_blocking,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    access::{Access, refused_by_tls, refused_login},
    inbound::{Inbound, InboundProcessor},
    session::Session,
};
use crate::fault::BusError;

/// The maximum of unanswered requests that a transport takes, without those that a [`Watch`] needs for itself.
pub(super) const REQUESTS_MAX: usize = 500;
/// How often the end of a connection is looked for: the transport does not tell it.
const LOOK: Duration = Duration::from_millis(25);
/// Maximum time for ending a transport.
const END_TIME: Duration = Duration::from_secs(3);

/// An open connection. Dropping it closes it.
pub(super) struct Connection {
    address: CheetahString,
    shared: Arc<Shared>,
    opened_at: Instant,
    /// How much longer than its caller the transport waits for an answer: a deadline of the transport must not be the
    /// one that ends a request.
    patience: Duration,
    silence_max: Duration,
}

/// The state that the connection shares with its [`Watch`].
struct Shared {
    transport: Arc<TransportClient<InboundProcessor>>,
    /// Cancelled once the connection is lost.
    ended: CancellationToken,
    /// Counts answers and requests of the peer.
    heard: Arc<AtomicU64>,
    /// Notified when a request timed out without any input.
    doubted: Notify,
    /// Whether the peer has answered on it.
    opened: AtomicBool,
    /// Permits of further unanswered requests.
    room: Semaphore,
}

impl Shared {
    fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Connection {
    /// Connects to `address`; `lost` is notified when the connection ends. A silent connection is probed with `probe`,
    /// a request that every such peer answers; a connection that stays silent is closed.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if there is no connection at `deadline`, [`BusError::Refused`] if the peer refuses
    /// this client, or its certificate is refused.
    pub(super) async fn open(
        session: &Session,
        address: &str,
        inbound: Arc<dyn Inbound>,
        lost: Arc<Notify>,
        probe: RemotingCommand,
        deadline: Instant,
    ) -> Result<Self, BusError> {
        let Session { config, supervisor, .. } = session;
        let failed = |reason: String| BusError::unavailable(format!("cannot connect to {address}: {reason}"));
        let heard = Arc::new(AtomicU64::new(0));
        let processor = InboundProcessor::new(address, inbound, Arc::clone(&heard));
        let (events, connects) = broadcast::channel(1);
        let settings = Arc::clone(config);
        // A file can be on a slow disk.
        let access = spawn_blocking(move || Access::load(&settings)).await;
        let access = access
            .map_err(|stopped| failed(stopped.to_string()))?
            .map_err(|wrong| BusError::Refused { reason: format!("rocketmq.{wrong}") })?;
        let transport =
            start(session, access, processor, events).await.map_err(|error| failed(causes(&*error)))?;
        let address = CheetahString::from(address);
        let shared = Arc::new(Shared {
            transport,
            ended: CancellationToken::new(),
            heard,
            doubted: Notify::new(),
            opened: AtomicBool::new(false),
            room: Semaphore::new(config.requests_in_flight_max.get().min(REQUESTS_MAX)),
        });
        let connection = Self {
            address: address.clone(),
            shared: Arc::clone(&shared),
            opened_at: Instant::now(),
            patience: config.keep_alive_interval() + 2 * config.silence_max(),
            silence_max: config.silence_max(),
        };
        let watch = Watch {
            address,
            shared,
            connects,
            probe: probe.clone(),
            interval: config.keep_alive_interval(),
            silence_max: config.silence_max(),
            lost,
        };
        supervisor.spawn_job("bus_connection", watch.run()).detach();
        // Only an answer shows that the peer speaks the protocol, and that nothing but a request is under way.
        match connection.invoke(probe, deadline).await {
            Ok(answer) => match refused_login(&connection.address, &answer) {
                Some(refused) => Err(refused),
                None => {
                    connection.shared.opened.store(true, Ordering::Release);
                    Ok(connection)
                }
            },
            Err(BusError::Unanswered { reason } | BusError::Unavailable { reason }) => Err(failed(reason)),
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }

    pub(super) fn is_open(&self) -> bool {
        !self.shared.ended.is_cancelled()
    }

    /// Sends `request` and awaits its answer, with any code. Waits first if too many requests are unanswered.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if it was not sent, [`BusError::Unanswered`] if it may have been.
    pub(super) async fn request(
        &self,
        request: RemotingCommand,
        deadline: Instant,
    ) -> Result<RemotingCommand, BusError> {
        let Ok(Ok(_place)) = timeout_at(deadline, self.shared.room.acquire()).await else {
            return Err(BusError::Busy {
                reason: format!("too many requests to {} are unanswered", self.address),
            });
        };
        let heard_before = self.shared.heard();
        let asked_at = Instant::now();
        let answer = self.invoke(request, deadline).await;
        // No input since the request was sent: the peer is frozen or down, and the next request needs a new connection
        // instead of waiting for TCP's timeout. A short wait proves nothing yet, so the peer is probed.
        if matches!(answer, Err(BusError::Unanswered { .. })) && self.shared.heard() == heard_before {
            if asked_at.elapsed() >= self.silence_max {
                self.shared.ended.cancel();
            } else {
                self.shared.doubted.notify_one();
            }
        }
        answer
    }

    async fn invoke(&self, request: RemotingCommand, deadline: Instant) -> Result<RemotingCommand, BusError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let invoked = self.shared.transport.invoke_request_with_deadline(
            Some(&self.address),
            request,
            RequestDeadline::after(left + self.patience),
        );
        tokio::select! {
            answer = timeout_at(deadline, invoked) => match answer {
                Ok(outcome) => {
                    let answer = self.answer(outcome)?;
                    self.shared.heard.fetch_add(1, Ordering::Relaxed);
                    Ok(answer)
                }
                Err(_elapsed) => {
                    Err(BusError::unanswered(format!("{} did not answer before the deadline", self.address)))
                }
            },
            () = self.shared.ended.cancelled() => {
                Err(BusError::unanswered(format!("{} closed the connection", self.address)))
            }
        }
    }

    fn answer(
        &self,
        outcome: Result<OutboundRequestOutcome, TransportError>,
    ) -> Result<RemotingCommand, BusError> {
        let (stage, reason) = match outcome {
            Ok(OutboundRequestOutcome::Response(answer)) => return Ok(answer),
            Ok(OutboundRequestOutcome::Rejected(rejection)) => {
                (Some(rejection.stage()), reason_of(&rejection).to_owned())
            }
            Ok(OutboundRequestOutcome::Contract(contract)) => (None, format!("{:?}", contract.reason())),
            Err(error) => {
                if let Some(refused) = refused_by_tls(&self.address, &error) {
                    return Err(refused);
                }
                (error.request_stage(), causes(&error))
            }
        };
        let reason = format!("{}: {reason}", self.address);
        // A request that failed before it was written was certainly not sent.
        Err(match stage {
            None | Some(OutboundRequestStage::BeforeWrite) => BusError::unavailable(reason),
            Some(_) => BusError::unanswered(reason),
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.ended.cancel();
    }
}

const fn reason_of(rejection: &OutboundRequestRejection) -> &'static str {
    match rejection.reason() {
        OutboundRequestRejectionReason::DeadlineExpired => "no answer in time",
        OutboundRequestRejectionReason::Cancelled => "cancelled",
        OutboundRequestRejectionReason::ClientStopping => "the connection is being closed",
        OutboundRequestRejectionReason::SessionClosed => "the connection is closed",
        OutboundRequestRejectionReason::EndpointUnavailable => "the connection was refused",
        OutboundRequestRejectionReason::QueueSaturated => "too many requests are unanswered",
    }
}

/// Starts a transport that connects at its first request.
async fn start(
    Session { config, runtime, .. }: &Session,
    access: Access,
    processor: InboundProcessor,
    events: broadcast::Sender<ConnectionNetEvent>,
) -> Result<Arc<TransportClient<InboundProcessor>>, rocketmq_error::SharedError> {
    let settings = TransportClientConfig {
        connect: ConnectConfig { timeout: config.connect_timeout() },
        // An idle connection is probed instead.
        maintenance: MaintenanceConfig { idle_scan_interval: None },
        tls: access.tls,
        ..TransportClientConfig::default()
    };
    let builder =
        TransportClient::builder(Arc::new(settings), processor, runtime.service_context("flashgate"));
    let transport = Arc::new(builder.connection_events(events).frame_limits(config.frame_limits())?.build()?);
    if let Some(signer) = access.signer {
        transport.register_rpc_hook(signer);
    }
    transport.start().await?;
    Ok(transport)
}

/// Detects that the connection ended, that the peer is down, or that a middlebox keeps the connection open without
/// passing data: TCP reports neither for minutes, and never on an idle connection. Ends the transport at last.
struct Watch {
    address: CheetahString,
    shared: Arc<Shared>,
    /// An event for each time that the transport connected.
    connects: broadcast::Receiver<ConnectionNetEvent>,
    probe: RemotingCommand,
    interval: Duration,
    silence_max: Duration,
    lost: Arc<Notify>,
}

impl Watch {
    async fn run(mut self) {
        let ended = self.shared.ended.clone();
        tokio::select! {
            () = ended.cancelled() => {}
            () = self.until_closed() => {}
        }
        ended.cancel();
        if self.shared.opened.load(Ordering::Acquire) {
            self.lost.notify_one();
        }
        self.shared.transport.shutdown_graceful(ShutdownDeadline::after(END_TIME)).await;
    }

    async fn until_closed(&mut self) {
        // The transport is connecting.
        let _first = self.connects.recv().await;
        let mut heard = self.shared.heard();
        let mut heard_at = Instant::now();
        loop {
            let is_doubted = timeout(LOOK, self.shared.doubted.notified()).await.is_ok();
            let is_there = self.shared.transport.reconcile_cached_connection(&self.address)
                == CachedConnectionState::Healthy;
            // A second connection of the transport is not registered at the broker.
            if !is_there || !self.connects.is_empty() {
                tracing::debug!(address = %self.address, "connection lost");
                return;
            }
            if self.shared.heard() != heard {
                (heard, heard_at) = (self.shared.heard(), Instant::now());
            } else if is_doubted || heard_at.elapsed() >= self.interval {
                if !self.probe().await {
                    tracing::warn!(address = %self.address, "connection silent; replacing");
                    metrics::counter!("flashgate_bus_connections_silent_total").increment(1);
                    return;
                }
                heard_at = Instant::now();
            }
        }
    }

    /// Whether anything was heard from the peer within `silence_max` after a probe.
    async fn probe(&self) -> bool {
        let heard = self.shared.heard();
        let deadline = RequestDeadline::after(2 * self.silence_max);
        let probed = self.shared.transport.invoke_request_with_deadline(
            Some(&self.address),
            self.probe.clone(),
            deadline,
        );
        tokio::select! {
            outcome = probed => matches!(outcome, Ok(OutboundRequestOutcome::Response(_))),
            () = sleep(self.silence_max) => self.shared.heard() != heard,
        }
    }
}
