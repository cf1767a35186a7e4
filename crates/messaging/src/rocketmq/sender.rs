//! Sending plain messages and half-messages.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use rocketmq_protocol::{
    code::request_code::RequestCode,
    protocol::{
        header::message_operation_header::{
            send_message_request_header_v2::SendMessageRequestHeaderV2,
            send_message_response_header::SendMessageResponseHeader,
        },
        remoting_command::RemotingCommand,
    },
};
use tokio::time::Instant;

use super::{
    clocks::{Exchange, compare},
    codes::{fault_of, flag, header, is_wrong_peer, request, response, signed},
    properties::{
        DELIVER_AFTER_MS, FIRST_CHECK_AFTER_S, HALF, KEYS, PRODUCER_GROUP, PropertiesOut, UNIQUE_ID,
        WAIT_STORED,
    },
    route::{Route, Writer},
    session::Session,
};
use crate::{fault::BusError, message::Message, names::Group};

/// The topic and queue count of which a broker would copy an unknown topic; this client's topics always exist.
const TEMPLATE_TOPIC: &str = "TBW102";
const TEMPLATE_QUEUES: i32 = 4;

/// Sends for one producer group, to the brokers in turn, and at each broker to its writable queues in turn.
pub(super) struct Sender {
    pub(super) session: Arc<Session>,
    pub(super) group: Group,
    turn: AtomicUsize,
    /// When a broker last stored a half-message; `None` if the last one failed.
    half_taken_at: Mutex<Option<Instant>>,
}

/// Plain or half.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Half,
}

/// A message that a broker stored.
pub(super) struct Sent {
    pub(super) broker: String,
    pub(super) message_id: String,
    pub(super) answer: SendMessageResponseHeader,
}

/// The number of hex digits at the end of a broker's message id that contain the offset in its commit log; the
/// broker's address and port precede them.
const OFFSET_DIGITS: usize = 16;

/// The commit-log offset of the message that the broker's answer is about.
pub(super) fn commit_log_offset(answer: &SendMessageResponseHeader) -> Result<u64, BusError> {
    let broker_id = answer.msg_id().as_str();
    let digits = broker_id.len().checked_sub(OFFSET_DIGITS).and_then(|start| broker_id.get(start..));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| BusError::invalid_response(format!("message id {broker_id:?} contains no offset")))
}

/// A message that is being sent, the same at each attempt.
struct Outgoing<'a> {
    message: &'a Message,
    kind: Kind,
    message_id: String,
    properties: String,
}

/// A failed attempt.
struct SendError {
    fault: BusError,
    /// Whether the broker may have stored the message.
    may_be_stored: bool,
    /// Whether another broker may accept the message.
    goes_elsewhere: bool,
    /// Whether the broker itself failed: a broker that is only busy is asked again next time.
    is_the_brokers: bool,
}

impl SendError {
    fn answered(answer: &RemotingCommand) -> Self {
        let fault = fault_of(answer);
        let may_be_stored = matches!(fault, BusError::NotDurable { .. });
        Self {
            may_be_stored,
            goes_elsewhere: answer.code() != response::MESSAGE_ILLEGAL,
            is_the_brokers: may_be_stored || is_wrong_peer(request::SEND_MESSAGE_V2, answer.code()),
            fault,
        }
    }

    fn unanswered(fault: BusError) -> Self {
        let may_be_stored = matches!(fault, BusError::Unanswered { .. } | BusError::InvalidResponse { .. });
        let goes_elsewhere = !matches!(fault, BusError::Invalid { .. } | BusError::Closed);
        let is_the_brokers = goes_elsewhere && !matches!(fault, BusError::Busy { .. });
        Self { fault, may_be_stored, goes_elsewhere, is_the_brokers }
    }
}

/// Whether a broker of `route` is not in `tried`.
fn has_untried(route: &Route, tried: &[String]) -> bool {
    route.writers.iter().any(|writer| !tried.contains(&writer.address))
}

impl Sender {
    pub(super) fn new(session: Arc<Session>, group: Group) -> Self {
        Self { session, group, turn: AtomicUsize::new(0), half_taken_at: Mutex::default() }
    }

    /// Sends `message` to the brokers in turn; a broker that failed recently is skipped. A failed attempt is repeated
    /// at another broker, also if the first may have stored the message: a duplicate does no harm, since consumers
    /// must drop duplicates anyway, and the broker checks the unknown half-message back under the same key, so that
    /// both half-messages get the same verdict.
    ///
    /// # Errors
    /// The fault of the last attempt; but if the message may be stored, the fault that reports it.
    pub(super) async fn send(&self, message: &Message, kind: Kind) -> Result<Sent, BusError> {
        let sent = self.send_somewhere(message, kind).await;
        if kind == Kind::Half {
            *self.half_taken_at() = sent.is_ok().then(Instant::now);
        }
        sent
    }

    async fn send_somewhere(&self, message: &Message, kind: Kind) -> Result<Sent, BusError> {
        let message_id = self.session.new_message_id();
        let properties = self.properties(message, kind, &message_id)?;
        let outgoing = Outgoing { message, kind, message_id, properties };
        let deadline = self.session.deadline();
        let mut route = self.session.route(&message.topic).await?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut tries_left = self.session.config.send_retries_max;
        let (mut tried, mut in_doubt) = (Vec::new(), None);
        loop {
            let Some(writer) = self.choose(&route, turn, &tried) else {
                let no_queue =
                    BusError::unavailable(format!("topic {} has no writable queue", message.topic));
                return Err(in_doubt.unwrap_or(no_queue));
            };
            tried.push(writer.address.clone());
            let has_others = has_untried(&route, &tried);
            let until = if has_others && tries_left > 0 {
                self.session.try_deadline().min(deadline)
            } else {
                deadline
            };
            // With several brokers, the queues of one advance each time the broker is chosen.
            let queue = writer.queue(turn / route.writers.len().max(1) + tried.len() - 1);
            let failed = match self.send_to(writer, queue, &outgoing, until).await {
                Ok(sent) => return Ok(sent),
                Err(failed) => failed,
            };
            if failed.may_be_stored {
                in_doubt = Some(failed.fault.clone());
            }
            if tries_left == 0 || !failed.goes_elsewhere || Instant::now() >= deadline {
                return Err(in_doubt.unwrap_or(failed.fault));
            }
            if !has_others {
                // A broker that moved, or a new one, is worth a query before giving up.
                route = self.session.newer_route(&message.topic, &route, deadline).await.unwrap_or(route);
            }
            if !has_untried(&route, &tried) {
                // Another attempt at the same broker, but only if the previous one certainly had no effect there.
                if in_doubt.is_some() || !failed.fault.retry_safe() {
                    return Err(in_doubt.unwrap_or(failed.fault));
                }
                tried.clear();
            }
            tries_left -= 1;
            tracing::debug!(error = %failed.fault, tries_left, "send failed; retrying");
            metrics::counter!("flashgate_bus_sends_repeated_total").increment(1);
        }
    }

    /// One attempt at one broker. Updates the broker's health.
    async fn send_to(
        &self,
        writer: &Writer,
        queue: i32,
        outgoing: &Outgoing<'_>,
        until: Instant,
    ) -> Result<Sent, SendError> {
        let (session, address) = (&self.session, &writer.address);
        let request = self.request(outgoing, queue, writer);
        let exchange = Exchange::begin(session);
        let failed = match session.call(address, request, until).await {
            Ok(answer) if answer.code() == response::SUCCESS => {
                session.peers.works(address);
                let answer = header(&answer).map_err(SendError::unanswered)?;
                if let Ok(place) = commit_log_offset(&answer) {
                    compare(session, address, place, exchange);
                }
                return Ok(Sent { broker: address.clone(), message_id: outgoing.message_id.clone(), answer });
            }
            Ok(answer) => SendError::answered(&answer),
            Err(fault) => SendError::unanswered(fault),
        };
        if failed.is_the_brokers {
            session.peers.failed(address, &failed.fault);
        }
        Err(failed)
    }

    /// The next broker in turn that was not tried and is not skipped. If there is none: the one whose skip time ends
    /// first.
    fn choose<'a>(&self, route: &'a Route, turn: usize, tried: &[String]) -> Option<&'a Writer> {
        let first = turn.checked_rem(route.writers.len())?;
        let (earlier, later) = route.writers.split_at(first);
        let in_turn = || later.iter().chain(earlier).filter(|writer| !tried.contains(&writer.address));
        in_turn()
            .find(|writer| self.session.peers.claim(&writer.address))
            .or_else(|| in_turn().min_by_key(|writer| self.session.peers.held_until(&writer.address)))
    }

    fn half_taken_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.half_taken_at.lock()
    }

    /// Whether the last half-message was stored, less than `age_max` ago.
    pub(super) fn half_was_taken_within(&self, age_max: Duration) -> bool {
        self.half_taken_at().is_some_and(|at| at.elapsed() < age_max)
    }

    fn properties(&self, message: &Message, kind: Kind, message_id: &str) -> Result<String, BusError> {
        let bytes_max = self.session.config.body_bytes_max.get();
        if message.body.len() > bytes_max {
            let size = message.body.len();
            return Err(BusError::invalid(format!(
                "a body of {size} bytes exceeds body_bytes_max = {bytes_max}"
            )));
        }
        let mut properties = PropertiesOut::default();
        properties.put(KEYS, &message.key)?;
        properties.put(UNIQUE_ID, message_id)?;
        properties.put(WAIT_STORED, "true")?;
        if let Some(delay) = message.deliver_after {
            if kind == Kind::Half {
                return Err(BusError::invalid("a half-message cannot be delayed"));
            }
            properties.put(DELIVER_AFTER_MS, &delay.as_millis().to_string())?;
        }
        if kind == Kind::Half {
            properties.put(HALF, "true")?;
            properties.put(PRODUCER_GROUP, self.group.as_str())?;
            if let Some(seconds) = self.session.config.first_check_after_s {
                properties.put(FIRST_CHECK_AFTER_S, &seconds.to_string())?;
            }
        }
        for (name, value) in &message.properties {
            properties.put_own(name, value)?;
        }
        properties.finish()
    }

    fn request(&self, outgoing: &Outgoing<'_>, queue: i32, writer: &Writer) -> RemotingCommand {
        let system_flag = match outgoing.kind {
            Kind::Plain => 0,
            Kind::Half => flag::TRANSACTION_PREPARED,
        };
        let born_at = self.session.clocks.at_broker(&writer.address, self.session.now());
        let header = SendMessageRequestHeaderV2 {
            // Producer group, topic, template and its queues.
            a: self.group.as_str().into(),
            b: outgoing.message.topic.as_str().into(),
            c: TEMPLATE_TOPIC.into(),
            d: TEMPLATE_QUEUES,
            // Queue, flags, birth, properties, broker.
            e: queue,
            f: system_flag,
            g: signed(born_at.as_millis()),
            h: 0,
            i: Some(outgoing.properties.as_str().into()),
            n: Some((&*writer.name).into()),
            ..SendMessageRequestHeaderV2::default()
        };
        RemotingCommand::create_request_command(RequestCode::SendMessageV2, header)
            .set_body(outgoing.message.body.clone())
    }
}
