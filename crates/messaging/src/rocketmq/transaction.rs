//! Half-messages: sent like other messages, resolved by a request whose answer is awaited.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_supervision::Task;
use parking_lot::Mutex;
use rocketmq_protocol::{
    code::request_code::RequestCode,
    protocol::{
        header::end_transaction_request_header::EndTransactionRequestHeader,
        remoting_command::RemotingCommand,
    },
};

use super::{
    RocketMq,
    check_back::{CheckBacks, PROBE, answer_all},
    codes::{fault_of, flag, offset, remark, response, signed},
    presence::{Role, join, leave},
    sender::{Kind, Sender, Sent, commit_log_offset},
    session::Session,
};
use crate::{
    bus::{CheckBackHandler, TransactionProducer},
    fault::BusError,
    message::{ClockDifference, HalfMessage, Message, Verdict},
    names::{Group, Topic},
};

/// The producer of one kind of transaction. Answers check-backs from its start until
/// [`RocketMqTransactionProducer::shutdown`], also for half-messages of other processes.
pub struct RocketMqTransactionProducer {
    sender: Sender,
    role: Role,
    check_backs: Arc<CheckBacks>,
    answering: Mutex<Option<Task>>,
    announcing: Mutex<Option<Task>>,
}

impl RocketMqTransactionProducer {
    pub(super) async fn start(
        mq: &RocketMq,
        group: Group,
        topic: Topic,
        handler: Arc<dyn CheckBackHandler>,
    ) -> Result<Self, BusError> {
        let (check_backs, inbox) = CheckBacks::new(&group, mq.config.check_backs_waiting_max.get());
        let check_backs = Arc::new(check_backs);
        let session = Session::new(mq, Arc::<CheckBacks>::clone(&check_backs));
        let role = Role::Producer { group: group.clone(), topic };
        let announcing = join(&session, &role).await?;
        let answering = answer_all(Arc::clone(&session), group.clone(), inbox, handler);
        let answering = mq.supervisor.spawn_job("check_backs", answering);
        Ok(Self {
            sender: Sender::new(session, group),
            role,
            check_backs,
            answering: Mutex::new(Some(answering)),
            announcing: Mutex::new(Some(announcing)),
        })
    }

    /// Leaves the group, finishes the check-backs under way and closes the connections. The broker sends check-backs
    /// of open half-messages to the other producers of the group. Later calls return [`BusError::Closed`].
    pub async fn shutdown(&self) {
        let announcing = self.announcing.lock().take();
        leave(&self.sender.session, &self.role, announcing).await;
        self.check_backs.close();
        let answering = self.answering.lock().take();
        if let Some(answering) = answering {
            // The broker asks another producer about check-backs that are unanswered by then.
            let limit = self.sender.session.config.send_timeout();
            let _in_time = tokio::time::timeout(limit, answering.ended()).await;
        }
        self.sender.session.close();
    }
}

impl RocketMqTransactionProducer {
    /// Sends a half-message as for a batch, and rolls it back. If the verdict gets lost, the check-back rolls it back
    /// without calling the handler.
    async fn probe(&self) -> Result<(), BusError> {
        let message = Message {
            properties: vec![(PROBE.to_owned(), "1".to_owned())],
            ..Message::new(self.role.topic().clone(), PROBE.to_owned(), Bytes::from_static(PROBE.as_bytes()))
        };
        let half = self.send_half(message).await?;
        match self.resolve(&half, Verdict::Rollback).await {
            Ok(()) | Err(BusError::TooLate { .. }) => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

#[async_trait]
impl TransactionProducer for RocketMqTransactionProducer {
    async fn send_half(&self, message: Message) -> Result<HalfMessage, BusError> {
        half_message(&message.topic, self.sender.send(&message, Kind::Half).await?)
    }

    async fn resolve(&self, half: &HalfMessage, verdict: Verdict) -> Result<(), BusError> {
        end_transaction(&self.sender.session, &self.sender.group, half, verdict, VerdictCause::Unsolicited)
            .await
    }

    async fn ping(&self) -> Result<(), BusError> {
        if self.sender.half_was_taken_within(self.sender.session.config.probe_interval()) {
            return Ok(());
        }
        self.probe().await
    }

    fn clock_difference(&self) -> Option<ClockDifference> {
        self.sender.session.clocks.furthest()
    }
}

fn half_message(topic: &Topic, sent: Sent) -> Result<HalfMessage, BusError> {
    Ok(HalfMessage {
        topic: topic.clone(),
        broker: sent.broker,
        transaction_id: sent.answer.transaction_id().unwrap_or(&sent.message_id).to_owned(),
        message_id: sent.message_id,
        queue_offset: offset(sent.answer.queue_offset())?,
        commit_log_offset: commit_log_offset(&sent.answer)?,
    })
}

/// Why a verdict is sent. The broker accepts unsolicited verdicts only while no check-back is due.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum VerdictCause {
    Unsolicited,
    CheckBack,
}

/// Sends `verdict` to the broker of `half` as a request, not one-way, and awaits its answer.
pub(super) async fn end_transaction(
    session: &Session,
    group: &Group,
    half: &HalfMessage,
    verdict: Verdict,
    cause: VerdictCause,
) -> Result<(), BusError> {
    let commit_or_rollback = match verdict {
        Verdict::Commit => flag::TRANSACTION_COMMIT,
        Verdict::Rollback => flag::TRANSACTION_ROLLBACK,
    };
    let header = EndTransactionRequestHeader {
        topic: half.topic.as_str().into(),
        producer_group: group.as_str().into(),
        tran_state_table_offset: signed(half.queue_offset),
        commit_log_offset: signed(half.commit_log_offset),
        commit_or_rollback,
        from_transaction_check: cause == VerdictCause::CheckBack,
        msg_id: half.message_id.as_str().into(),
        transaction_id: Some(half.transaction_id.as_str().into()),
        ..EndTransactionRequestHeader::default()
    };
    let request = RemotingCommand::create_request_command(RequestCode::EndTransaction, header);
    let answer = session.call(&half.broker, request, session.deadline()).await?;
    match answer.code() {
        response::SUCCESS => Ok(()),
        response::ILLEGAL_OPERATION => Err(BusError::TooLate { reason: remark(&answer) }),
        // A replica's answer: it stores nothing of its own.
        response::SLAVE_NOT_AVAILABLE => {
            Err(BusError::unavailable(format!("{} is a replica and accepts no verdicts", half.broker)))
        }
        _ => Err(fault_of(&answer)),
    }
}
