//! The dead letters on their topic, each with its state in the order store.

use flashgate_domain::{Batch, BatchId, Refusal};
use flashgate_messaging::{Browser, BusError, Delivery, Message, MessageLocation};
use flashgate_order_store::{LetterDecision, LetterKey, LetterStatus, OrderStore};
use flashgate_proto::body;
use flashgate_service::error::ApiError;
use metrics::counter;
use tracing::{info, warn};

use super::{super::sales::failure, DeadLetters};

/// Maximum messages of one pull.
const PULL_MESSAGES_MAX: u32 = 32;
/// Maximum letters that one page reads before it ends without being full, to bound its time.
const LOOKED_AT_MAX: u32 = 1_000;

/// Reads dead letters and their state.
#[derive(Clone, Copy)]
pub(super) struct Shelf<'a> {
    pub(super) browser: &'a dyn Browser,
    pub(super) store: &'a dyn OrderStore,
}

/// A dead letter.
pub(super) struct Letter {
    pub(super) place: MessageLocation,
    pub(super) message: Delivery,
    /// The batch in its body, if it can be decoded.
    pub(super) batch: Option<Batch>,
    /// The last decision about the letter; `None` while it waits.
    pub(super) decision: Option<LetterDecision>,
    /// Whether the order store has decided the batch.
    pub(super) decided: bool,
}

/// A page of letters.
#[derive(Default)]
pub(super) struct Page {
    pub(super) letters: Vec<Letter>,
    /// The location of the last letter, if there may be more.
    pub(super) next: Option<MessageLocation>,
}

impl Shelf<'_> {
    /// Up to `size` letters after `after`: the waiting ones, or `all`.
    pub(super) async fn page(
        self,
        after: Option<MessageLocation>,
        size: u32,
        all: bool,
    ) -> Result<Page, ApiError> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let (mut page, mut looked_at) = (Page::default(), 0);
        for span in self.browser.queues().await.map_err(unreadable)? {
            let mut offset = match &after {
                Some(after) if span.queue < after.queue => continue,
                Some(after) if span.queue == after.queue => {
                    after.offset.saturating_add(1).max(span.offsets.start)
                }
                Some(_) | None => span.offsets.start,
            };
            while offset < span.offsets.end {
                let read = self.browser.read(&span.queue, offset, PULL_MESSAGES_MAX).await;
                let read = read.map_err(unreadable)?;
                if read.next <= offset {
                    // To continue would hide letters.
                    let reason = format!("nothing at {offset} of {:?}", span.queue);
                    return Err(unreadable(BusError::Unavailable { reason }));
                }
                for message in read.messages {
                    looked_at += 1;
                    let place = MessageLocation::of(&message);
                    let decision = self.decision(&message).await?;
                    if all || decision.is_none() {
                        page.letters.push(self.letter(message, decision).await?);
                    }
                    if page.letters.len() == size || looked_at == LOOKED_AT_MAX {
                        page.next = Some(place);
                        return Ok(page);
                    }
                }
                offset = read.next;
            }
        }
        Ok(page)
    }

    /// The letters at `places`, in that order.
    ///
    /// # Errors
    /// [`ApiError::DeadLetterNotFound`] if a letter does not exist.
    pub(super) async fn find(self, places: &[MessageLocation]) -> Result<Vec<Letter>, ApiError> {
        let spans = self.browser.queues().await.map_err(unreadable)?;
        let mut letters = Vec::new();
        for place in places {
            let is_there = |span: &&flashgate_messaging::QueueSpan| {
                span.queue == place.queue && span.offsets.contains(&place.offset)
            };
            let missing = || ApiError::DeadLetterNotFound { id: place.to_string() };
            let span = spans.iter().find(is_there).ok_or_else(missing)?;
            let read = self.browser.read(&span.queue, place.offset, 1).await.map_err(unreadable)?;
            let message = read.messages.into_iter().find(|message| message.offset == place.offset);
            let message = message.ok_or_else(missing)?;
            let decision = self.decision(&message).await?;
            letters.push(self.letter(message, decision).await?);
        }
        Ok(letters)
    }

    async fn decision(self, message: &Delivery) -> Result<Option<LetterDecision>, ApiError> {
        self.store.letter_decision(&key(message)).await.map_err(failure)
    }

    async fn letter(self, message: Delivery, decision: Option<LetterDecision>) -> Result<Letter, ApiError> {
        let batch = body::decode_batch(message.body.clone()).ok().map(|decoded| decoded.batch);
        let place = MessageLocation::of(&message);
        let mut letter = Letter { place, message, batch, decision, decided: false };
        if let Some(batch) = letter.batch_id() {
            letter.decided = self.store.outcome(batch).await.map_err(failure)?.is_some();
        }
        Ok(letter)
    }
}

impl Letter {
    /// The id of the batch in its body, or else the id in its key.
    pub(super) fn batch_id(&self) -> Option<BatchId> {
        self.batch.as_ref().map(Batch::id).or_else(|| self.message.key.parse().ok())
    }

    /// The number of orders of the batch; 0 if it cannot be decoded.
    pub(super) fn orders(&self) -> u32 {
        self.batch.as_ref().map_or(0, |batch| u32::try_from(batch.intents().len()).unwrap_or(u32::MAX))
    }

    /// The number of units of the orders.
    pub(super) fn units(&self) -> u64 {
        let intents = self.batch.iter().flat_map(Batch::intents);
        intents.map(|intent| u64::from(intent.quantity().get())).sum()
    }

    /// A property that the worker recorded; empty if it is missing.
    pub(super) fn property(&self, name: &str) -> &str {
        let found = self.message.properties.iter().find(|(written, _value)| written == name);
        found.map_or("", |(_name, value)| value)
    }
}

/// Applies the decision to the letter, then records it: if the record fails the decision is applied again, which is
/// idempotent. Returns whether all of it succeeded.
pub(super) async fn decide(
    parts: &DeadLetters,
    letter: &Letter,
    standing: LetterStatus,
    repair_id: u64,
) -> bool {
    if standing == LetterStatus::Replayed && !replay(parts, letter).await {
        return false;
    }
    let (key, now) = (key(&letter.message), parts.clock.now());
    let written = parts.store.decide_letter(&key, standing, repair_id, now).await;
    if let Err(fault) = &written {
        warn!(letter = %letter.place, error = %fault, "storing the decision about a dead letter failed");
    } else {
        info!(letter = %letter.place, standing = standing.as_str(), repair_id, "dead letter decided");
    }
    written.is_ok()
}

/// Publishes the letter unchanged on the topic of orders, without the broker's and the dead letter's properties.
async fn replay(parts: &DeadLetters, letter: &Letter) -> bool {
    let message = Message::new(parts.orders.clone(), letter.message.key.clone(), letter.message.body.clone());
    let published = parts.publisher.publish(message).await;
    if let Err(fault) = &published {
        counter!("flashgate_worker_publish_faults_total", "kind" => "replays", "code" => fault.code())
            .increment(1);
        warn!(letter = %letter.place, error = %fault, "replaying a dead letter failed");
    }
    published.is_ok()
}

fn key(message: &Delivery) -> LetterKey {
    LetterKey { place: MessageLocation::of(message).to_string(), given_up_at: message.stored_at }
}

fn unreadable(fault: BusError) -> ApiError {
    warn!(error = %fault, "reading the dead letters failed");
    ApiError::Refused(Refusal::BrokerUnavailable)
}
