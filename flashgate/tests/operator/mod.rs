//! An operator's interface in memory. A sale is preheated when it has been looked at once.

#![expect(clippy::unwrap_used, reason = "a test ends where its helper fails")]

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use flashgate_proto::v1::{
    self,
    order_service_server::{OrderService, OrderServiceServer},
    sale_service_server::{SaleService, SaleServiceServer},
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status, transport::server};
use tonic_types::{ErrorDetails, StatusExt};

pub(crate) struct Operator {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Operator {
    pub(crate) async fn start() -> Self {
        Self::losing_answers(0).await
    }

    /// No creation is ever answered, the first time or again.
    pub(crate) async fn silent_creations() -> Self {
        Self::losing_answers(usize::MAX).await
    }

    /// The first `answers` to creations never come, although the sale is made.
    pub(crate) async fn losing_answers(answers: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sales = Sales { lost: Arc::new(AtomicUsize::new(answers)), ..Sales::default() };
        let server = server::Server::builder()
            .add_service(SaleServiceServer::new(sales.clone()))
            .add_service(OrderServiceServer::new(sales));
        let incoming = TcpListenerStream::new(listener);
        let task = tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
        Self { address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone, Default)]
struct Sales {
    sales: Arc<Mutex<Vec<v1::Sale>>>,
    /// By idempotency key: what was asked for, and the sale's id.
    keys: Arc<Mutex<HashMap<String, (v1::CreateSaleRequest, u64)>>>,
    /// So many answers to creations and restocks still get lost.
    lost: Arc<AtomicUsize>,
    restocks: Arc<Mutex<Vec<v1::Restock>>>,
}

fn refused(code: Code, reason: &str, message: &str) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, "flashgate", []))
}

impl Sales {
    fn change(&self, id: u64, change: impl FnOnce(&mut v1::Sale)) -> Result<Response<v1::Sale>, Status> {
        let mut sales = self.sales.lock();
        let sale = sales.iter_mut().find(|sale| sale.sale_id == id);
        let sale = sale.ok_or_else(|| refused(Code::NotFound, "sale_not_found", "there is no such sale"))?;
        change(sale);
        Ok(Response::new(sale.clone()))
    }
}

#[tonic::async_trait]
impl SaleService for Sales {
    async fn create_sale(
        &self,
        request: Request<v1::CreateSaleRequest>,
    ) -> Result<Response<v1::Sale>, Status> {
        let draft = request.into_inner();
        if draft.currency.chars().any(|letter| letter.is_ascii_lowercase()) {
            let mut details = ErrorDetails::with_error_info("malformed", "flashgate", []);
            let expected = "must be three capital letters (ISO 4217)";
            details.add_bad_request_violation("currency", expected);
            let message = format!("currency {expected}");
            return Err(Status::with_error_details(Code::InvalidArgument, message, details));
        }
        assert!(!draft.idempotency_key.is_empty(), "each command has a key");
        if self.lost.load(Ordering::Relaxed) > 1_000 {
            std::future::pending::<()>().await;
        }
        if let Some((before, id)) = self.keys.lock().get(&draft.idempotency_key).cloned() {
            let same = before == draft;
            let reused =
                || refused(Code::AlreadyExists, "sale_key_reused", "the key belongs to another sale");
            return if same { self.change(id, |_sale| {}) } else { Err(reused()) };
        }
        let sale = {
            let mut sales = self.sales.lock();
            let id = u64::try_from(sales.len()).unwrap() + 1;
            self.keys.lock().insert(draft.idempotency_key.clone(), (draft.clone(), id));
            sales.push(v1::Sale {
                sale_id: id,
                title: draft.title,
                price_minor: draft.price_minor,
                currency: draft.currency,
                opens_at_ms: draft.opens_at_ms,
                closes_at_ms: draft.closes_at_ms,
                stock: draft.stock,
                limit_per_buyer: draft.limit_per_buyer,
                quantity_max: draft.limit_per_buyer,
                deduct_policy: draft.deduct_policy,
                state: "created".to_owned(),
                ..v1::Sale::default()
            });
            sales.last().cloned().unwrap()
        };
        let lose = self.lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if lose.is_ok() {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(sale))
    }

    async fn preheat_sale(
        &self,
        request: Request<v1::PreheatSaleRequest>,
    ) -> Result<Response<v1::Sale>, Status> {
        let mut ended = false;
        let sale = self.change(request.into_inner().sale_id, |sale| {
            ended = sale.state == "closed";
            sale.state = "preheating".to_owned();
        });
        if ended { Err(refused(Code::FailedPrecondition, "ended", "the sale has ended")) } else { sale }
    }

    async fn get_sale(&self, request: Request<v1::GetSaleRequest>) -> Result<Response<v1::Sale>, Status> {
        self.change(request.into_inner().sale_id, |sale| {
            if sale.state == "preheating" {
                sale.state = "preheated".to_owned();
            }
        })
    }

    async fn list_sales(
        &self,
        _request: Request<v1::ListSalesRequest>,
    ) -> Result<Response<v1::ListSalesResponse>, Status> {
        Ok(Response::new(v1::ListSalesResponse { sales: self.sales.lock().clone() }))
    }

    async fn restock_sale(
        &self,
        request: Request<v1::RestockSaleRequest>,
    ) -> Result<Response<v1::Sale>, Status> {
        let v1::RestockSaleRequest { sale_id, units, idempotency_key, operator, cause } =
            request.into_inner();
        assert_eq!((operator.as_str(), cause.as_str()), ("eve", "a late delivery"));
        let restocked = {
            let mut restocks = self.restocks.lock();
            let sum = |restocks: &[v1::Restock]| -> u64 {
                restocks.iter().filter(|one| one.sale_id == sale_id).map(|one| one.units).sum()
            };
            if !restocks.iter().any(|known| known.idempotency_key == idempotency_key) {
                let restocked = sum(&restocks) + units;
                restocks.push(v1::Restock {
                    sale_id,
                    units,
                    idempotency_key,
                    operator,
                    cause,
                    restocked,
                    at_ms: 1,
                });
            }
            sum(&restocks)
        };
        let lose = self.lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if lose.is_ok() {
            std::future::pending::<()>().await;
        }
        self.change(sale_id, |sale| sale.restocked = restocked)
    }

    async fn list_restocks(
        &self,
        request: Request<v1::ListRestocksRequest>,
    ) -> Result<Response<v1::ListRestocksResponse>, Status> {
        let sale = request.into_inner().sale_id;
        let restocks = self.restocks.lock().iter().filter(|one| one.sale_id == sale).cloned().collect();
        Ok(Response::new(v1::ListRestocksResponse { restocks }))
    }

    async fn close_sale(&self, request: Request<v1::CloseSaleRequest>) -> Result<Response<v1::Sale>, Status> {
        self.change(request.into_inner().sale_id, |sale| sale.state = "closed".to_owned())
    }
}

#[tonic::async_trait]
impl OrderService for Sales {
    async fn find_order(
        &self,
        request: Request<v1::FindOrderRequest>,
    ) -> Result<Response<v1::Order>, Status> {
        Ok(Response::new(known_order(request.into_inner().order_id)?))
    }

    async fn list_orders(
        &self,
        request: Request<v1::ListStoredOrdersRequest>,
    ) -> Result<Response<v1::ListStoredOrdersResponse>, Status> {
        let v1::ListStoredOrdersRequest { buyer_id, before_id, page_size } = request.into_inner();
        assert_eq!((before_id.as_str(), page_size), ("99", 3));
        let orders = if buyer_id == "ann" { vec![known_order(ORDER.to_string())?] } else { Vec::new() };
        Ok(Response::new(v1::ListStoredOrdersResponse { orders }))
    }

    async fn cancel_order(
        &self,
        request: Request<v1::CancelStoredOrderRequest>,
    ) -> Result<Response<v1::Order>, Status> {
        let request = request.into_inner();
        let order = known_order(request.order_id)?;
        if request.operator != "eve" || request.cause != "asked" || !request.buyer_id.is_empty() {
            return Err(refused(Code::FailedPrecondition, "order_state_conflict", "it is paid"));
        }
        let (state, cancel_reason) = ("cancelled".to_owned(), "by_operator".to_owned());
        Ok(Response::new(v1::Order { state, cancel_reason, version: 2, ..order }))
    }

    async fn advance_order(
        &self,
        request: Request<v1::AdvanceOrderRequest>,
    ) -> Result<Response<v1::Order>, Status> {
        let v1::AdvanceOrderRequest { order_id, step, operator, cause } = request.into_inner();
        let order = known_order(order_id)?;
        assert_eq!((operator.as_str(), cause.as_str()), ("eve", "by hand"));
        let state = match step.as_str() {
            "pay" => "paid",
            "ship" => "shipped",
            "finish" => "finished",
            _ => return Err(refused(Code::FailedPrecondition, "order_state_conflict", "it owes no money")),
        };
        Ok(Response::new(v1::Order { state: state.to_owned(), version: 2, ..order }))
    }

    async fn list_order_events(
        &self,
        request: Request<v1::ListOrderEventsRequest>,
    ) -> Result<Response<v1::ListOrderEventsResponse>, Status> {
        let order = known_order(request.into_inner().order_id)?;
        let event = v1::OrderEvent {
            order_id: order.order_id,
            batch_id: ORDER.to_be_bytes().into_iter().chain([0; 8]).collect(),
            intent: Some(v1::BatchIntent {
                sale_id: order.sale_id,
                buyer_id: order.buyer_id,
                idempotency_key: order.idempotency_key,
                quantity: order.quantity,
            }),
            version: 2,
            from_state: "confirmed".to_owned(),
            to_state: "cancelled".to_owned(),
            to_reason: "by_buyer".to_owned(),
            actor: "buyer".to_owned(),
            at_ms: 1,
            ..v1::OrderEvent::default()
        };
        Ok(Response::new(v1::ListOrderEventsResponse { events: vec![event] }))
    }

    async fn open_payment(
        &self,
        _request: Request<v1::OpenStoredPaymentRequest>,
    ) -> Result<Response<v1::Payment>, Status> {
        Err(Status::unimplemented("operators do not pay"))
    }

    async fn list_payments(
        &self,
        request: Request<v1::ListPaymentsRequest>,
    ) -> Result<Response<v1::ListPaymentsResponse>, Status> {
        let order = known_order(request.into_inner().order_id)?;
        let amount = v1::Money { minor: 1_999, currency: "EUR".to_owned() };
        let attempt = v1::PaymentAttempt {
            attempt_id: format!("{}-1", order.order_id),
            due: Some(amount.clone()),
            state: "paid".to_owned(),
            taken: Some(amount),
            tries: 2,
            opened_at_ms: 1,
            changed_at_ms: 2,
        };
        Ok(Response::new(v1::ListPaymentsResponse {
            attempts: vec![attempt],
            refunds: vec![refund_of(&order.order_id, 1)],
        }))
    }

    async fn retry_refund(
        &self,
        request: Request<v1::RetryRefundRequest>,
    ) -> Result<Response<v1::Refund>, Status> {
        let v1::RetryRefundRequest { refund_id, operator, cause } = request.into_inner();
        if refund_id != refund_of(&ORDER.to_string(), 1).refund_id {
            return Err(refused(Code::NotFound, "refund_not_found", "there is no such refund"));
        }
        assert_eq!((operator.as_str(), cause.as_str()), ("eve", "by hand"));
        let retried = refund_of(&ORDER.to_string(), 2);
        let (state, last_error) = ("pending".to_owned(), String::new());
        let (retry_operator, retry_cause) = (operator, cause);
        Ok(Response::new(v1::Refund { state, last_error, tries: 0, retry_operator, retry_cause, ..retried }))
    }
}

/// A refund of the first attempt of an order, which failed.
fn refund_of(order: &str, number: u32) -> v1::Refund {
    v1::Refund {
        refund_id: format!("{order}-1-r{number}"),
        attempt_id: format!("{order}-1"),
        amount: Some(v1::Money { minor: 1_999, currency: "EUR".to_owned() }),
        cause: "order_cancelled".to_owned(),
        state: "failed".to_owned(),
        tries: 4,
        last_error: "account closed".to_owned(),
        created_at_ms: 3,
        changed_at_ms: 4,
        ..v1::Refund::default()
    }
}

/// The only order: the first of its batch.
pub(crate) const ORDER: u64 = 1 << 17;

fn known_order(id: String) -> Result<v1::Order, Status> {
    if id != ORDER.to_string() {
        return Err(refused(Code::NotFound, "order_not_found", "there is no such order"));
    }
    Ok(v1::Order {
        order_id: id,
        sale_id: 7,
        buyer_id: "ann".to_owned(),
        idempotency_key: "key".to_owned(),
        quantity: 1,
        state: "confirmed".to_owned(),
        cancel_reason: String::new(),
        batch_id: "0000000001020400000000000000002a".to_owned(),
        created_at_ms: 1,
        version: 1,
        pay_by_ms: Some(60_001),
    })
}
