//! Dead letters, through any order worker.

use flashgate_proto::v1::{self, dead_letter_service_client::DeadLetterServiceClient};
use tonic::transport::Channel;

use super::{Carrier, ClientError, Port};
use crate::view::dead_letter::{DecidedLetterView, Decision, LetterView, LetterWithBodyView, LettersView};

/// Maximum letters of one call. Each replayed letter takes a round trip to the broker.
const LETTERS_MAX: usize = 50;
/// Maximum bytes of an answer: a batch of the longest intents.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A client for dead letters, through any order worker.
#[derive(Clone, Debug)]
pub struct DeadLettersClient<C = Channel>(DeadLetterServiceClient<C>);

impl<C: Carrier> DeadLettersClient<C> {
    /// Uses a connection to an order worker.
    pub fn on(worker: C) -> Self {
        Self(DeadLetterServiceClient::new(worker).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// At most `limit` letters after the id `after`, or from the first if `after` is empty; only waiting letters, or
    /// `all`.
    ///
    /// # Errors
    /// A call failed.
    pub async fn list(&mut self, after: String, limit: usize, all: bool) -> Result<LettersView, ClientError> {
        let (mut letters, mut after_id) = (Vec::new(), after);
        loop {
            let page_size = u32::try_from(LETTERS_MAX.min(limit - letters.len())).unwrap_or(0);
            let request = v1::ListDeadLettersRequest { after_id, page_size, all };
            let page = self.0.list_dead_letters(request).await?.into_inner();
            letters.extend(page.letters.into_iter().map(LetterView::from));
            after_id = page.next_id;
            if after_id.is_empty() || letters.len() >= limit {
                return Ok(LettersView::new(letters, after_id));
            }
        }
    }

    /// One letter with its body.
    ///
    /// # Errors
    /// The call failed.
    pub async fn show(&mut self, id: &str) -> Result<LetterWithBodyView, ClientError> {
        let request = v1::ShowDeadLetterRequest { id: id.to_owned() };
        let shown = self.0.show_dead_letter(request).await?.into_inner();
        LetterWithBodyView::new(shown).ok_or_else(|| {
            let error = format!("dead letter {id} has orders and no batch");
            ClientError::InvalidResponse { port: Port::Worker, error }
        })
    }

    /// Decides the letters under the record `repair_id`, and sets the result of each.
    ///
    /// # Errors
    /// The first failed call. Letters without a result were skipped, or their result is unknown.
    pub async fn decide(
        &mut self,
        decision: Decision,
        repair_id: u64,
        letters: &mut [DecidedLetterView],
    ) -> Result<(), ClientError> {
        for some in letters.chunks_mut(LETTERS_MAX) {
            let ids = some.iter().map(|decided| decided.letter.id.clone()).collect();
            let request = v1::DecideDeadLettersRequest { repair_id, ids };
            let answer = match decision {
                Decision::Replay => self.0.replay_dead_letters(request).await,
                Decision::Drop => self.0.drop_dead_letters(request).await,
            };
            for (letter, result) in some.iter_mut().zip(answer?.into_inner().results) {
                letter.result = Some(result);
            }
        }
        Ok(())
    }
}
