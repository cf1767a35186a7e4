//! Half-messages: sent like any other message, resolved by a request whose answer is awaited.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinHandle;

use super::check_back::{CheckBacks, answer_all};
use super::codes::{fault_of, flag, request, response};
use super::config::RocketMqConfig;
use super::frame::Request;
use super::presence::{Role, announce, keep_announcing, leave};
use super::sender::{Kind, Sender, Sent};
use super::session::Session;
use super::task::AbortOnDrop;
use crate::bus::{CheckBackHandler, TransactionProducer};
use crate::fault::BusFault;
use crate::message::{HalfMessage, Message, Verdict};
use crate::names::{Group, Topic};

/// The hex digits of a broker's message id that hold the offset in its commit log; before them stand its
/// address and port.
const OFFSET_DIGITS: usize = 16;

/// The producer of one kind of transaction. Answers check-backs from the moment it exists until
/// [`RocketMqTransactionProducer::shutdown`], also for half-messages that another process left behind.
pub struct RocketMqTransactionProducer {
    sender: Sender,
    role: Role,
    check_backs: Arc<CheckBacks>,
    answering: std::sync::Mutex<Option<JoinHandle<()>>>,
    _announcing: AbortOnDrop,
}

impl RocketMqTransactionProducer {
    pub(super) async fn start(
        config: Arc<RocketMqConfig>,
        clock: Arc<dyn flashgate_domain::clock::Clock>,
        group: Group,
        topic: Topic,
        handler: Arc<dyn CheckBackHandler>,
    ) -> Result<Self, BusFault> {
        let (check_backs, inbox) = CheckBacks::new(&group, config.check_backs_waiting_max.get());
        let check_backs = Arc::new(check_backs);
        let session = Session::new(config, clock, Arc::<CheckBacks>::clone(&check_backs));
        let role = Role::Producer { group: group.clone(), topic };
        announce(&session, &role).await?;
        let answering = tokio::spawn(answer_all(Arc::clone(&session), group.clone(), inbox, handler));
        let announcing = AbortOnDrop::spawn(keep_announcing(Arc::clone(&session), role.clone()));
        Ok(Self {
            sender: Sender::new(session, group),
            role,
            check_backs,
            answering: std::sync::Mutex::new(Some(answering)),
            _announcing: announcing,
        })
    }

    /// Leaves the group, finishes the check-backs that are under way and closes the connections. Half-messages
    /// that are open still go to the other producers of the group. Later calls answer [`BusFault::Closed`].
    pub async fn shutdown(&self) {
        leave(&self.sender.session, &self.role).await;
        self.check_backs.close();
        let answering = self.answering.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(mut answering) = answering
            && tokio::time::timeout(self.sender.session.config.send_timeout(), &mut answering).await.is_err()
        {
            answering.abort();
        }
        self.sender.session.close();
    }
}

impl Drop for RocketMqTransactionProducer {
    fn drop(&mut self) {
        let answering = self.answering.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(answering) = answering {
            answering.abort();
        }
    }
}

#[async_trait]
impl TransactionProducer for RocketMqTransactionProducer {
    async fn send_half(&self, message: Message) -> Result<HalfMessage, BusFault> {
        half_message(&message.topic, self.sender.send(&message, Kind::Half).await?)
    }

    async fn resolve(&self, half: &HalfMessage, verdict: Verdict) -> Result<(), BusFault> {
        end_transaction(&self.sender.session, &self.sender.group, half, verdict, Asked::ByNobody).await
    }

    async fn ping(&self) -> Result<(), BusFault> {
        announce(&self.sender.session, &self.role).await
    }
}

fn half_message(topic: &Topic, sent: Sent) -> Result<HalfMessage, BusFault> {
    let broker_id = sent.answer.text("msgId").unwrap_or_default();
    let digits = broker_id.len().checked_sub(OFFSET_DIGITS).and_then(|start| broker_id.get(start..));
    let commit_log_offset = digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| BusFault::garbled(format!("message id {broker_id:?} holds no offset")))?;
    Ok(HalfMessage {
        topic: topic.clone(),
        broker: sent.broker,
        transaction_id: sent.answer.text("transactionId").unwrap_or(&sent.message_id).to_owned(),
        message_id: sent.message_id,
        queue_offset: sent.answer.number("queueOffset")?,
        commit_log_offset,
    })
}

/// Whether a verdict answers a check-back. The broker takes the others only while no check-back is due.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    ByNobody,
    ByBroker,
}

/// Sends `verdict` to the broker that holds `half`, as a request, not one-way, and awaits its answer.
pub(super) async fn end_transaction(
    session: &Session,
    group: &Group,
    half: &HalfMessage,
    verdict: Verdict,
    asked: Asked,
) -> Result<(), BusFault> {
    let commit_or_rollback = match verdict {
        Verdict::Commit => flag::TRANSACTION_COMMIT,
        Verdict::Rollback => flag::TRANSACTION_ROLLBACK,
    };
    let request = Request::new(request::END_TRANSACTION)
        .field("topic", &half.topic)
        .field("producerGroup", group)
        .field("tranStateTableOffset", half.queue_offset)
        .field("commitLogOffset", half.commit_log_offset)
        .field("commitOrRollback", commit_or_rollback)
        .field("fromTransactionCheck", asked == Asked::ByBroker)
        .field("msgId", &half.message_id)
        .field("transactionId", &half.transaction_id);
    let answer = session.call(&half.broker, &request, session.deadline()).await?;
    match answer.code {
        response::SUCCESS => Ok(()),
        response::ILLEGAL_OPERATION => Err(BusFault::TooLate { reason: answer.remark() }),
        _ => Err(fault_of(&answer)),
    }
}
