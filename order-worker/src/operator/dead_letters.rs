//! Dead letters for operators, over gRPC: decodes requests, calls the reader, encodes answers.

mod shelf;

use std::sync::Arc;

use flashgate_domain::Clock;
use flashgate_messaging::{Browser, MessageLocation, Publisher, Topic};
use flashgate_order_store::{LetterStatus, OrderStore, RepairEvent};
use flashgate_proto::{
    body,
    v1::{self, dead_letter_service_server::DeadLetterService},
};
use flashgate_service::{
    error::ApiError,
    fields::{GrpcResult, invalid, page_size},
};
use shelf::{Letter, Shelf};
use tonic::{Request, Response};

use super::sales::failure;
use crate::dead_letter::{DETAIL, MESSAGE_ID, OFFSET, QUEUE, REASON, TOPIC};

/// Maximum bytes of a request: the longest ids of one request, several times over.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Default and maximum number of letters of a page, and maximum of one request.
const LETTERS_MAX: u32 = 100;
/// Maximum bytes shown of a body that cannot be decoded.
const HEAD_BYTES: usize = 256;

/// The dependencies of dead letters.
#[derive(Clone)]
pub struct DeadLetters {
    /// Reads the topic of dead letters.
    pub browser: Arc<dyn Browser>,
    /// Publishes replayed letters.
    pub publisher: Arc<dyn Publisher>,
    /// The topic of orders, for replays.
    pub orders: Topic,
    /// Stores decided batches and the decisions about letters.
    pub store: Arc<dyn OrderStore>,
    /// The time for decisions.
    pub clock: Arc<dyn Clock>,
}

#[tonic::async_trait]
impl DeadLetterService for DeadLetters {
    async fn list_dead_letters(
        &self,
        request: Request<v1::ListDeadLettersRequest>,
    ) -> GrpcResult<v1::ListDeadLettersResponse> {
        let v1::ListDeadLettersRequest { after_id, page_size: asked, all } = request.into_inner();
        let after = if after_id.is_empty() { None } else { Some(place("after_id", &after_id)?) };
        let size = page_size("page_size", asked, LETTERS_MAX, LETTERS_MAX)?;
        let page = self.shelf().page(after, size, all).await?;
        Ok(Response::new(v1::ListDeadLettersResponse {
            letters: page.letters.iter().map(letter_message).collect(),
            next_id: page.next.map_or_else(String::new, |place| place.to_string()),
        }))
    }

    async fn show_dead_letter(
        &self,
        request: Request<v1::ShowDeadLetterRequest>,
    ) -> GrpcResult<v1::ShowDeadLetterResponse> {
        let place = place("id", &request.into_inner().id)?;
        let letter = self.shelf().find(&[place]).await?.pop().ok_or(ApiError::Internal)?;
        let (intents, head) = match &letter.batch {
            Some(batch) => (batch.intents().iter().map(body::intent_body).collect(), Vec::new()),
            None => (Vec::new(), letter.message.body.iter().copied().take(HEAD_BYTES).collect()),
        };
        let letter = Some(letter_message(&letter));
        Ok(Response::new(v1::ShowDeadLetterResponse { letter, intents, head }))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<v1::DecideDeadLettersRequest>,
    ) -> GrpcResult<v1::DecideDeadLettersResponse> {
        self.decide(request.into_inner(), LetterStatus::Replayed).await
    }

    async fn drop_dead_letters(
        &self,
        request: Request<v1::DecideDeadLettersRequest>,
    ) -> GrpcResult<v1::DecideDeadLettersResponse> {
        self.decide(request.into_inner(), LetterStatus::Dropped).await
    }
}

impl DeadLetters {
    fn shelf(&self) -> Shelf<'_> {
        Shelf { browser: &*self.browser, store: &*self.store }
    }

    async fn decide(
        &self,
        request: v1::DecideDeadLettersRequest,
        standing: LetterStatus,
    ) -> GrpcResult<v1::DecideDeadLettersResponse> {
        let v1::DecideDeadLettersRequest { repair_id, ids } = request;
        if !(1..=LETTERS_MAX).contains(&u32::try_from(ids.len()).unwrap_or(u32::MAX)) {
            return Err(ApiError::malformed("ids", format!("must be 1 to {LETTERS_MAX}")).into());
        }
        let places = ids.iter().map(|id| place("ids", id)).collect::<Result<Vec<_>, _>>()?;
        self.repair(repair_id, standing).await?;
        let letters = self.shelf().find(&places).await?;
        let mut results = Vec::new();
        // After a failed letter the next would fail as well, and each would take its time.
        let mut works = true;
        for letter in &letters {
            works = works && shelf::decide(self, letter, standing, repair_id).await;
            results.push(if works { standing.as_str() } else { "failed" }.to_owned());
        }
        Ok(Response::new(v1::DecideDeadLettersResponse { results }))
    }

    /// The repair, if it is unfinished and of the right kind.
    async fn repair(&self, id: u64, standing: LetterStatus) -> Result<RepairEvent, ApiError> {
        let kind = match standing {
            LetterStatus::Replayed => "replay_letters",
            LetterStatus::Dropped => "drop_letters",
        };
        // No store has a larger id.
        let after =
            i64::try_from(id).ok().and_then(|id| id.checked_add(1)).ok_or(ApiError::RepairNotFound)?;
        let found = self.store.repairs(Some(after.unsigned_abs()), 1).await.map_err(failure)?;
        let is_it = |event: &RepairEvent| event.id == id && event.draft.kind == kind && event.ended.is_none();
        let repair = found.into_iter().find(is_it).ok_or(ApiError::RepairNotFound)?;
        if standing == LetterStatus::Dropped && repair.draft.reason.trim().is_empty() {
            return Err(ApiError::malformed("repair_id", "must be of a repair that tells its reason"));
        }
        Ok(repair)
    }
}

fn place(field: &'static str, text: &str) -> Result<MessageLocation, ApiError> {
    text.parse().map_err(invalid(field))
}

fn letter_message(letter: &Letter) -> v1::DeadLetter {
    let property = |name| letter.property(name).to_owned();
    let decision = letter.decision.as_ref();
    v1::DeadLetter {
        id: letter.place.to_string(),
        given_up_at_ms: letter.message.stored_at.as_millis(),
        reason: property(REASON),
        detail: property(DETAIL),
        key: letter.message.key.clone(),
        batch_id: letter.batch_id().map_or_else(String::new, |batch| batch.to_string()),
        origin: Some(v1::DeadLetterOrigin {
            topic: property(TOPIC),
            queue: property(QUEUE),
            offset: property(OFFSET),
            message_id: property(MESSAGE_ID),
        }),
        body_bytes: u64::try_from(letter.message.body.len()).unwrap_or(u64::MAX),
        orders: letter.orders(),
        units: letter.units(),
        decided: letter.decided,
        standing: decision.map_or("waiting", |decision| decision.status.as_str()).to_owned(),
        decision: decision.map(|decision| v1::DeadLetterDecision {
            repair_id: decision.repair_id,
            actor: decision.actor.clone(),
            reason: decision.reason.clone(),
            decided_at_ms: decision.decided_at.as_millis(),
        }),
    }
}
