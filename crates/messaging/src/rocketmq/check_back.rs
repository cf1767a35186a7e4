//! Check-backs, from the connection to the answer.

use std::sync::Arc;

use parking_lot::Mutex;
use rocketmq_protocol::protocol::{
    header::check_transaction_state_request_header::CheckTransactionStateRequestHeader,
    remoting_command::RemotingCommand,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{
    codes::{header, offset, request},
    inbound::Inbound,
    session::Session,
    stored::{Half, Stored},
    transaction::{VerdictCause, end_transaction},
};
use crate::{
    bus::CheckBackHandler,
    fault::BusError,
    message::{CheckedMessage, HalfMessage, Resolution},
    names::{Group, Topic},
};

/// The property of a half-message that only probes whether the brokers accept half-messages. It belongs to no batch.
pub(super) const PROBE: &str = "flashgate-probe";

/// A check-back that waits for its answer.
pub(super) struct CheckBack {
    half: HalfMessage,
    message: CheckedMessage,
}

/// Receives check-backs from the connections and queues them.
pub(super) struct CheckBacks {
    group: Group,
    queue: Mutex<Option<mpsc::Sender<CheckBack>>>,
}

impl CheckBacks {
    pub(super) fn new(group: &Group, waiting_max: usize) -> (Self, mpsc::Receiver<CheckBack>) {
        let (queue, inbox) = mpsc::channel(waiting_max);
        (Self { group: group.clone(), queue: Mutex::new(Some(queue)) }, inbox)
    }

    /// Accepts no further check-backs; queued ones are still answered.
    pub(super) fn close(&self) {
        self.queue.lock().take();
    }
}

impl Inbound for CheckBacks {
    fn take(&self, address: &str, request: &RemotingCommand) -> bool {
        if request.code() != request::CHECK_TRANSACTION_STATE {
            return false;
        }
        match read(address, request, &self.group) {
            Ok(check_back) => {
                let queue = self.queue.lock().clone();
                // The broker asks again later, so a check-back that finds the queue full is late, not lost.
                let queued = queue.is_some_and(|queue| queue.try_send(check_back).is_ok());
                count(if queued { "received" } else { "dropped" });
            }
            Err(fault) => {
                count("unreadable");
                tracing::error!(address, error = %fault, "cannot decode check-back; dropped");
            }
        }
        true
    }
}

fn read(address: &str, request: &RemotingCommand, group: &Group) -> Result<CheckBack, BusError> {
    let Half { topic, group: of, message_id, message } =
        Stored::take(&mut request.body().cloned().unwrap_or_default())?.into_checked();
    let header: CheckTransactionStateRequestHeader = header(request)?;
    if of != group.as_str() {
        return Err(BusError::invalid_response(format!("check-back is for group {of:?}, not {group}")));
    }
    let half = HalfMessage {
        topic: Topic::new(&topic).map_err(|error| BusError::invalid_response(error.to_string()))?,
        broker: address.to_owned(),
        transaction_id: header.transaction_id.map_or_else(|| message_id.clone(), |id| id.to_string()),
        message_id,
        queue_offset: offset(header.tran_state_table_offset)?,
        commit_log_offset: offset(header.commit_log_offset)?,
    };
    Ok(CheckBack { half, message })
}

/// Answers the check-backs of `inbox`, up to `check_backs_running_max` at a time, until it is closed and empty.
pub(super) async fn answer_all(
    session: Arc<Session>,
    group: Group,
    mut inbox: mpsc::Receiver<CheckBack>,
    handler: Arc<dyn CheckBackHandler>,
) {
    let permits = Arc::new(Semaphore::new(session.config.check_backs_running_max.get()));
    let mut running = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Some(check_back) = inbox.recv().await else { break };
        let (session, group, handler) = (Arc::clone(&session), group.clone(), Arc::clone(&handler));
        running.spawn(async move {
            answer(&session, &group, check_back, handler.as_ref()).await;
            drop(permit);
        });
        while let Some(ended) = running.try_join_next() {
            report_panic(ended);
        }
    }
    while let Some(ended) = running.join_next().await {
        report_panic(ended);
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        count("panicked");
        tracing::error!(%error, "check-back handler panicked; the broker will retry");
    }
}

async fn answer(session: &Session, group: &Group, check_back: CheckBack, handler: &dyn CheckBackHandler) {
    let CheckBack { half, message } = check_back;
    let is_probe = message.properties.iter().any(|(name, _value)| name == PROBE);
    let resolution = if is_probe { Resolution::Rollback } else { handler.check_back(message).await };
    count(match resolution {
        Resolution::Commit => "commit",
        Resolution::Rollback => "rollback",
        Resolution::Unknown => "unknown",
    });
    // Unknown is not sent: without an answer, the broker asks again at its next round.
    let Some(verdict) = resolution.verdict() else { return };
    if let Err(fault) = end_transaction(session, group, &half, verdict, VerdictCause::CheckBack).await {
        count("unanswered");
        tracing::warn!(error = %fault, message_id = half.message_id, "sending the verdict of a check-back failed; the broker will retry");
    }
}

fn count(what: &'static str) {
    metrics::counter!("flashgate_bus_check_backs_total", "kind" => what).increment(1);
}
