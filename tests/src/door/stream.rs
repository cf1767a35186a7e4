//! `BuyStream`: many purchases over one call, answered as they are known.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flashgate_proto::v1::{
    BuyStreamRequest, BuyStreamResponse, buy_stream_response, purchase_service_client::PurchaseServiceClient,
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

use super::{accepted_answer, buy_request, row_of};
use crate::purchase::{Answer, Purchase};

/// Who waits for which answer; `None` once no answer will come any more.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>>;

/// An open stream. Clones share it; it closes with the last one.
#[derive(Clone, Debug)]
pub struct DoorStream {
    requests: mpsc::Sender<BuyStreamRequest>,
    waiting: Waiting,
    last_id: Arc<AtomicU64>,
}

impl DoorStream {
    pub(super) async fn open(mut grpc: PurchaseServiceClient<Channel>) -> Self {
        let (requests, outgoing) = mpsc::channel(64);
        let answers = grpc.buy_stream(ReceiverStream::new(outgoing)).await.unwrap().into_inner();
        let waiting = Waiting::new(Mutex::new(Some(HashMap::new())));
        tokio::spawn(hand_out(answers, Arc::clone(&waiting)));
        Self { requests, waiting, last_id: Arc::default() }
    }

    /// Buys over the stream.
    ///
    /// # Panics
    /// Never: nothing else holds the lock for long.
    pub async fn buy(&self, purchase: &Purchase) -> Answer {
        let request_id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answer) = oneshot::channel();
        match self.waiting.lock().as_mut() {
            Some(waiting) => drop(waiting.insert(request_id, sender)),
            // Kept here, it would never be dropped, and the answer waited for in vain.
            None => drop(sender),
        }
        let buy = Some(buy_request(purchase));
        let request = BuyStreamRequest {
            request_id,
            buyer_id: purchase.buyer.clone(),
            buy,
            ..BuyStreamRequest::default()
        };
        if self.requests.send(request).await.is_err() {
            return Answer::Lost("the stream is closed".to_owned());
        }
        answer.await.unwrap_or_else(|_closed| Answer::Lost("the stream ended".to_owned()))
    }
}

async fn hand_out(mut answers: Streaming<BuyStreamResponse>, waiting: Waiting) {
    while let Ok(Some(response)) = answers.message().await {
        let waiter = waiting.lock().as_mut().and_then(|all| all.remove(&response.request_id));
        let waiter = waiter.expect("one answer for each request");
        // Whoever gave up waiting does not mind.
        drop(waiter.send(answer(response)));
    }
    *waiting.lock() = None;
}

fn answer(response: BuyStreamResponse) -> Answer {
    match response.answer.expect("an answer") {
        buy_stream_response::Answer::Accepted(accepted) => {
            accepted_answer(&accepted.order_id, accepted.replayed)
        }
        buy_stream_response::Answer::Error(error) => {
            let row = row_of(&error.code);
            let told = (error.grpc_code, error.retry_safe);
            assert_eq!(told, (i32::from(row.grpc), row.retry_safe()), "{error:?}");
            Answer::of_code(&error.code, error.retry_safe)
        }
    }
}
