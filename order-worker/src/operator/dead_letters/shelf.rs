//! The dead letters as they lie on their topic, each with what the order store knows of it.

use flashgate_domain::{Batch, BatchId, Refusal};
use flashgate_messaging::{Browser, BusError, Delivery, Message, MessageLocation};
use flashgate_order_store::{LetterDecision, LetterKey, LetterStatus, OrderStore};
use flashgate_proto::body;
use flashgate_service::error::ApiError;
use metrics::counter;
use tracing::{info, warn};

use super::{super::sales::failure, DeadLetters};

/// How many messages one pull asks for.
const PULL_MESSAGES_MAX: u32 = 32;
/// How many letters one page looks at before it ends without being full, so that it ends in time.
const LOOKED_AT_MAX: u32 = 1_000;

/// Where the letters lie, and what is known of them.
#[derive(Clone, Copy)]
pub(super) struct Shelf<'a> {
    pub(super) browser: &'a dyn Browser,
    pub(super) store: &'a dyn OrderStore,
}

/// A dead letter.
pub(super) struct Letter {
    pub(super) place: MessageLocation,
    pub(super) message: Delivery,
    /// What its body holds, if it can be decoded.
    pub(super) batch: Option<Batch>,
    /// What was last decided about it; `None` while it waits.
    pub(super) decision: Option<LetterDecision>,
    /// Whether the order store has decided the batch.
    pub(super) decided: bool,
}

/// A page of letters.
#[derive(Default)]
pub(super) struct Page {
    pub(super) letters: Vec<Letter>,
    /// Where it ended, if there may be more.
    pub(super) next: Option<MessageLocation>,
}

impl Shelf<'_> {
    /// Up to `size` letters after `after`: those that wait, or `all`.
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
                    // To go on would hide letters.
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
    /// [`ApiError::DeadLetterNotFound`] if one is not there.
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
    /// The batch in its body, or else the one that its key names.
    pub(super) fn batch_id(&self) -> Option<BatchId> {
        self.batch.as_ref().map(Batch::id).or_else(|| self.message.key.parse().ok())
    }

    /// How many orders the batch has.
    pub(super) fn orders(&self) -> u32 {
        self.batch.as_ref().map_or(0, |batch| u32::try_from(batch.intents().len()).unwrap_or(u32::MAX))
    }

    /// How many units they ask for.
    pub(super) fn units(&self) -> u64 {
        let intents = self.batch.iter().flat_map(Batch::intents);
        intents.map(|intent| u64::from(intent.quantity().get())).sum()
    }

    /// What the worker that gave it up wrote down; empty if it did not.
    pub(super) fn property(&self, name: &str) -> &str {
        let found = self.message.properties.iter().find(|(written, _value)| written == name);
        found.map_or("", |(_name, value)| value)
    }
}

/// Does with the letter what was decided, and writes it down afterwards: if that fails it is done again, which does no
/// harm. Whether all of it succeeded.
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

/// Publishes it on the topic of orders as it came; the broker's own properties and those of the dead letter aside.
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
