//! A gateway's gRPC that gives each tenth request its own answer.

#![expect(clippy::unwrap_used, reason = "a test ends where its helper fails")]

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_proto::v1::{
    BuyError, BuyRequest, BuyResponse, BuyStreamRequest, BuyStreamResponse, CancelOrderRequest,
    GetOrderRequest, GetOrderResponse, ListOrdersRequest, ListOrdersResponse, OpenPaymentRequest, Payment,
    buy_stream_response::Answer,
    purchase_service_server::{PurchaseService, PurchaseServiceServer},
};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_stream::{Stream, StreamExt, wrappers::TcpListenerStream};
use tonic::{Code, Request, Response, Status, Streaming, transport::server};
use tonic_types::{ErrorDetails, StatusExt};

pub(crate) struct Purchases {
    address: SocketAddr,
    gate: Gate,
    task: JoinHandle<()>,
}

impl Purchases {
    /// Answers each request after `delay`.
    pub(crate) async fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Gate { requests: Arc::default(), delay };
        let server = server::Server::builder().add_service(PurchaseServiceServer::new(gate.clone()));
        let incoming = TcpListenerStream::new(listener);
        let task = tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
        Self { address, gate, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.gate.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Purchases {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Gate {
    requests: Arc<AtomicU64>,
    delay: Duration,
}

impl Gate {
    /// The answer to a request of any kind: an order, or a code.
    async fn answer(&self) -> Result<BuyResponse, (Code, &'static str)> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        sleep(self.delay).await;
        match number % 10 {
            0..=4 => Ok(BuyResponse { order_id: "77".to_owned(), replayed: false }),
            5 => Ok(BuyResponse { order_id: "77".to_owned(), replayed: true }),
            6 | 7 => Err((Code::FailedPrecondition, "sold_out")),
            8 => Err((Code::Unavailable, "outcome_unknown")),
            _ => Err((Code::ResourceExhausted, "too_fast")),
        }
    }
}

#[tonic::async_trait]
impl PurchaseService for Gate {
    async fn buy(&self, request: Request<BuyRequest>) -> Result<Response<BuyResponse>, Status> {
        assert!(request.metadata().contains_key("x-buyer-id"));
        let refused = |(code, reason)| {
            Status::with_error_details(code, "no", ErrorDetails::with_error_info(reason, "flashgate", []))
        };
        self.answer().await.map(Response::new).map_err(refused)
    }

    type BuyStreamStream = Pin<Box<dyn Stream<Item = Result<BuyStreamResponse, Status>> + Send>>;

    async fn buy_stream(
        &self,
        request: Request<Streaming<BuyStreamRequest>>,
    ) -> Result<Response<Self::BuyStreamStream>, Status> {
        let gate = self.clone();
        let answers = request.into_inner().then(move |request| {
            let gate = gate.clone();
            async move {
                let request_id = request?.request_id;
                let answer = match gate.answer().await {
                    Ok(bought) => Answer::Accepted(bought),
                    Err((grpc_code, code)) => Answer::Error(BuyError {
                        grpc_code: grpc_code.into(),
                        code: code.to_owned(),
                        detail: String::new(),
                        retry_safe: true,
                    }),
                };
                Ok(BuyStreamResponse { request_id, answer: Some(answer) })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let (order_id, state) = (request.into_inner().order_id, "confirmed".to_owned());
        Ok(Response::new(GetOrderResponse { order_id, state, ..GetOrderResponse::default() }))
    }

    async fn list_orders(
        &self,
        _request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        Err(Status::unimplemented("no load generator lists orders"))
    }

    async fn cancel_order(
        &self,
        _request: Request<CancelOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        Err(Status::unimplemented("no load generator cancels"))
    }

    async fn open_payment(&self, _request: Request<OpenPaymentRequest>) -> Result<Response<Payment>, Status> {
        Err(Status::unimplemented("no load generator pays"))
    }
}
