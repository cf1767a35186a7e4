//! gRPC with all requests of a connection on one stream. Several workers share the stream.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flashgate_proto::v1::{BuyStreamRequest, BuyStreamResponse, buy_stream_response};
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::{
    crowd::Ask,
    grpc::{self, Grpc},
    outcome::{Answer, Fault},
    shared::Handle,
    wire::Wire,
};

/// The workers that wait for answers on a stream.
#[derive(Debug)]
struct Waiting {
    /// By request id; `None` when the stream has ended.
    answers: Option<HashMap<u64, oneshot::Sender<Result<Answer, Fault>>>>,
}

/// An open stream.
#[derive(Clone, Debug)]
struct Stream {
    requests: mpsc::Sender<BuyStreamRequest>,
    waiting: Arc<Mutex<Waiting>>,
    next_id: Arc<AtomicU64>,
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock()
}

impl Stream {
    async fn open(shared: &Grpc) -> Result<Self, Fault> {
        let mut client = shared.connect().await?;
        // Each worker has one request in flight, so this is never full.
        let (requests, outgoing) = mpsc::channel(shared.plan.in_flight.get());
        let call = shared.call(ReceiverStream::new(outgoing));
        let opened = timeout(shared.plan.limits.connect_timeout, client.buy_stream(call)).await;
        let opened = opened.map_err(|_elapsed| Fault::ConnectTimeout)?;
        let answers = opened.map_err(|_status| Fault::ConnectFailed)?.into_inner();
        let waiting = Arc::new(Mutex::new(Waiting { answers: Some(HashMap::new()) }));
        tokio::spawn(hand_out(answers, Arc::clone(&waiting)));
        Ok(Self { requests, waiting, next_id: Arc::default() })
    }

    async fn buy(&self, mut request: BuyStreamRequest) -> Result<Answer, Fault> {
        request.request_id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let entry = Entry { waiting: &self.waiting, id: request.request_id };
        entry.register(sender)?;
        self.requests.send(request).await.map_err(|_closed| Fault::ConnectionLost)?;
        answer.await.unwrap_or(Err(Fault::ConnectionLost))
    }
}

/// An entry of a waiting worker, removed whenever the worker stops waiting.
struct Entry<'a> {
    waiting: &'a Mutex<Waiting>,
    id: u64,
}

impl Entry<'_> {
    fn register(&self, sender: oneshot::Sender<Result<Answer, Fault>>) -> Result<(), Fault> {
        let mut waiting = lock(self.waiting);
        waiting.answers.as_mut().ok_or(Fault::ConnectionLost)?.insert(self.id, sender);
        Ok(())
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some(answers) = &mut lock(self.waiting).answers {
            answers.remove(&self.id);
        }
    }
}

/// Passes the answers to the waiting workers, until the stream ends.
async fn hand_out(mut answers: Streaming<BuyStreamResponse>, waiting: Arc<Mutex<Waiting>>) {
    while let Ok(Some(response)) = answers.message().await {
        let id = response.request_id;
        let sender = lock(&waiting).answers.as_mut().and_then(|answers| answers.remove(&id));
        if let Some(sender) = sender {
            // The worker may have stopped waiting.
            let _ = sender.send(judge(response));
        }
    }
    lock(&waiting).answers = None;
}

fn judge(response: BuyStreamResponse) -> Result<Answer, Fault> {
    match response.answer.ok_or(Fault::BadResponse)? {
        buy_stream_response::Answer::Accepted(bought) => {
            Ok(grpc::accepted(&bought.order_id, bought.replayed))
        }
        buy_stream_response::Answer::Error(error) => {
            Ok(Answer::refused(&error.code, grpc::by_code(Code::from(error.grpc_code))))
        }
    }
}

/// One worker's access to a shared stream.
#[derive(Debug)]
pub(super) struct GrpcStreamWire {
    shared: Arc<Grpc>,
    handle: Handle<Stream>,
}

/// Wires for all workers that share a connection.
pub(super) fn wires(shared: &Arc<Grpc>) -> impl Iterator<Item = GrpcStreamWire> {
    let handles = Handle::several(shared.plan.in_flight.get());
    handles.map(|handle| GrpcStreamWire { shared: Arc::clone(shared), handle })
}

impl Wire for GrpcStreamWire {
    async fn ready(&mut self) -> Result<(), Fault> {
        self.handle.ready(|| Stream::open(&self.shared)).await
    }

    async fn buy(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        let (names, within) = (&self.shared.plan.names, self.shared.plan.limits.request_timeout);
        let buy = Some(self.shared.message(ask));
        let request =
            BuyStreamRequest { buyer_id: names.buyer(ask.buyer), buy, ..BuyStreamRequest::default() };
        let answer = match timeout(within, self.handle.connection()?.buy(request)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Fault::RequestTimeout),
        };
        if answer == Err(Fault::ConnectionLost) {
            self.handle.discard().await;
        }
        answer
    }

    fn take_connects(&mut self) -> u64 {
        self.handle.take_connects()
    }
}
