//! A buyer's way into one gateway: HTTP, gRPC, and a gRPC stream. Each answer is held against the outcome table.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use flashgate_domain::OrderId;
use flashgate_proto::v1::{
    BuyRequest, CancelOrderRequest, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    purchase_service_client::PurchaseServiceClient,
};
use flashgate_service::error::StatusMapping;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;
use tokio::time::timeout;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

use crate::purchase::{Answer, Purchase};

mod stream;

pub use stream::DoorStream;

/// Longer than a gateway may take for any answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// One gateway, as buyers reach it. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Door {
    address: SocketAddr,
    http: Client<HttpConnector, Full<Bytes>>,
    grpc: PurchaseServiceClient<Channel>,
    answer_time: Duration,
}

/// An order, as its buyer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenOrder {
    /// `pending`, `confirmed`, `cancelled`, …
    pub state: String,
    /// Why it was cancelled; empty if it was not.
    pub cancel_reason: String,
    /// How many units.
    pub quantity: u32,
    /// Greater with every transition; 0 while pending.
    pub version: u32,
}

/// A page of orders over HTTP.
#[derive(Deserialize)]
struct OrdersBody {
    orders: Vec<ListedBody>,
}

/// An order of a page over HTTP.
#[derive(Deserialize)]
struct ListedBody {
    order_id: String,
    #[serde(flatten)]
    order: OrderBody,
}

/// An order over HTTP.
#[derive(Deserialize)]
struct OrderBody {
    state: String,
    #[serde(default)]
    cancel_reason: String,
    quantity: u32,
    version: u32,
}

impl From<OrderBody> for SeenOrder {
    fn from(body: OrderBody) -> Self {
        let OrderBody { state, cancel_reason, quantity, version } = body;
        Self { state, cancel_reason, quantity, version }
    }
}

impl From<GetOrderResponse> for SeenOrder {
    fn from(response: GetOrderResponse) -> Self {
        let GetOrderResponse { state, cancel_reason, quantity, version, .. } = response;
        Self { state, cancel_reason, quantity, version }
    }
}

impl Door {
    /// The door of the gateway that listens there. Must be called within a runtime.
    ///
    /// # Panics
    /// Never: an address makes a URL.
    pub fn new(http: SocketAddr, grpc: SocketAddr) -> Self {
        let channel =
            Endpoint::from_shared(format!("http://{grpc}")).unwrap().timeout(ANSWER_TIME).connect_lazy();
        let grpc = PurchaseServiceClient::new(channel);
        Self { address: http, http: client(), grpc, answer_time: ANSWER_TIME }
    }

    /// The same gateway over connections of its own, for HTTP to `http`: through a proxy, or past one.
    pub fn over(&self, http: SocketAddr) -> Self {
        Self { address: http, http: client(), ..self.clone() }
    }

    /// The same, for callers that wait no longer than `answer_time` for an answer over HTTP.
    pub fn hurried(self, answer_time: Duration) -> Self {
        Self { answer_time, ..self }
    }

    /// Any request over HTTP: `path` begins with a slash. The error tells why no answer came.
    pub async fn http(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String> {
        send(&self.http, self.address, request, self.answer_time).await
    }

    /// The gRPC client, for calls that no method here makes.
    pub fn grpc(&self) -> PurchaseServiceClient<Channel> {
        self.grpc.clone()
    }

    /// Buys over HTTP.
    pub async fn buy(&self, purchase: &Purchase) -> Answer {
        let request = Request::post(format!("/v1/sales/{}/orders", purchase.sale))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", &purchase.key)
            .header("x-buyer-id", &purchase.buyer)
            .body(Full::from(format!(r#"{{"quantity":{}}}"#, purchase.quantity)))
            .unwrap();
        match self.http(request).await {
            Ok(response) => answer_over_http(&response),
            Err(why) => Answer::Lost(why),
        }
    }

    /// Buys over unary gRPC.
    pub async fn buy_grpc(&self, purchase: &Purchase) -> Answer {
        let mut request = tonic::Request::new(buy_request(purchase));
        request.metadata_mut().insert("x-buyer-id", purchase.buyer.parse().unwrap());
        match self.grpc.clone().buy(request).await {
            Ok(response) => {
                let accepted = response.into_inner();
                accepted_answer(&accepted.order_id, accepted.replayed)
            }
            Err(status) => answer_of_status(&status),
        }
    }

    /// Opens a stream to buy over.
    ///
    /// # Panics
    /// If the gateway cannot be reached.
    pub async fn stream(&self) -> DoorStream {
        DoorStream::open(self.grpc.clone()).await
    }

    /// The order over HTTP; the code of the problem if it is not to be had.
    pub async fn order(&self, order: OrderId, buyer: &str) -> Result<SeenOrder, String> {
        self.ask(Request::get(format!("/v1/orders/{order}")).header("x-buyer-id", buyer)).await
    }

    /// Cancels the order over HTTP; the code of the problem if that is not possible.
    pub async fn cancel(&self, order: OrderId, buyer: &str) -> Result<SeenOrder, String> {
        self.ask(Request::post(format!("/v1/orders/{order}/cancel")).header("x-buyer-id", buyer)).await
    }

    /// A page of the buyer's orders over HTTP, in their order; `query` is that of the URL. The code of the problem if there
    /// is none.
    pub async fn orders(&self, buyer: &str, query: &str) -> Result<Vec<(OrderId, SeenOrder)>, String> {
        let request = Request::get(format!("/v1/orders?{query}")).header("x-buyer-id", buyer);
        let response = self.http(request.body(Full::default()).unwrap()).await?;
        if response.status() != StatusCode::OK {
            return Err(problem(&response).code);
        }
        let page: OrdersBody = serde_json::from_slice(response.body()).unwrap();
        let seen = |listed: ListedBody| (listed.order_id.parse().unwrap(), listed.order.into());
        Ok(page.orders.into_iter().map(seen).collect())
    }

    /// A page of the buyer's orders over gRPC; the code of the error if there is none.
    pub async fn orders_grpc(
        &self,
        buyer: &str,
        page: ListOrdersRequest,
    ) -> Result<Vec<(OrderId, SeenOrder)>, String> {
        let mut request = tonic::Request::new(page);
        request.metadata_mut().insert("x-buyer-id", buyer.parse().unwrap());
        match self.grpc.clone().list_orders(request).await {
            Ok(page) => {
                let orders = page.into_inner().orders.into_iter();
                Ok(orders.map(|order| (order.order_id.parse().unwrap(), order.into())).collect())
            }
            Err(status) => Err(answer_of_status(&status).word().to_owned()),
        }
    }

    async fn ask(&self, request: http::request::Builder) -> Result<SeenOrder, String> {
        let response = self.http(request.body(Full::default()).unwrap()).await?;
        if response.status() != StatusCode::OK {
            return Err(problem(&response).code);
        }
        Ok(serde_json::from_slice::<OrderBody>(response.body()).unwrap().into())
    }

    /// The order over gRPC; the code of the error if it is not to be had.
    pub async fn order_grpc(&self, order: OrderId, buyer: &str) -> Result<SeenOrder, String> {
        let mut request = tonic::Request::new(GetOrderRequest { order_id: order.to_string() });
        request.metadata_mut().insert("x-buyer-id", buyer.parse().unwrap());
        match self.grpc.clone().get_order(request).await {
            Ok(found) => Ok(found.into_inner().into()),
            Err(status) => Err(answer_of_status(&status).word().to_owned()),
        }
    }

    /// Cancels the order over gRPC; the code of the error if that is not possible.
    pub async fn cancel_grpc(&self, order: OrderId, buyer: &str) -> Result<SeenOrder, String> {
        let mut request = tonic::Request::new(CancelOrderRequest { order_id: order.to_string() });
        request.metadata_mut().insert("x-buyer-id", buyer.parse().unwrap());
        match self.grpc.clone().cancel_order(request).await {
            Ok(cancelled) => Ok(cancelled.into_inner().into()),
            Err(status) => Err(answer_of_status(&status).word().to_owned()),
        }
    }
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// `GET` of anything, for readiness and metrics.
pub async fn get(address: SocketAddr, path: &str) -> Result<Response<Bytes>, String> {
    let request = Request::builder().method(Method::GET).uri(path).body(Full::default()).unwrap();
    send(&client(), address, request, ANSWER_TIME).await
}

async fn send(
    client: &Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
    answer_time: Duration,
) -> Result<Response<Bytes>, String> {
    *request.uri_mut() =
        format!("http://{address}{}", request.uri()).parse().map_err(|why| format!("{why}"))?;
    let answered = async {
        let (head, body) = client.request(request).await.map_err(|why| format!("{why:?}"))?.into_parts();
        let body = body.collect().await.map_err(|why| format!("{why:?}"))?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    timeout(answer_time, answered).await.unwrap_or_else(|late| Err(late.to_string()))
}

/// A problem document.
#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    /// The stable code.
    pub code: String,
    /// The HTTP status again.
    pub status: u16,
    /// One sentence.
    pub detail: String,
    /// Whether the same request can succeed later.
    pub retry_safe: bool,
    /// The field that is wrong, if one is.
    pub field: Option<String>,
}

/// The problem document of a response.
///
/// # Panics
/// If it is none, or its status is not the one of the response.
pub fn problem(response: &Response<Bytes>) -> Problem {
    let content_type = response.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    assert_eq!(content_type, Some(b"application/problem+json".as_slice()), "{response:?}");
    let problem: Problem = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem.status, response.status().as_u16(), "{response:?}");
    problem
}

fn answer_over_http(response: &Response<Bytes>) -> Answer {
    #[derive(Deserialize)]
    struct Accepted {
        order_id: String,
        status: String,
    }
    if response.status() == StatusCode::ACCEPTED {
        let body: Accepted = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body.status, "accepted");
        let location = response.headers().get(header::LOCATION).unwrap();
        assert_eq!(location, &format!("/v1/orders/{}", body.order_id));
        let replayed = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
        return accepted_answer(&body.order_id, replayed);
    }
    let problem = problem(response);
    let row = row_of(&problem.code);
    assert_eq!((response.status(), problem.retry_safe), (row.http, row.retry_safe()), "{problem:?}");
    assert_eq!(
        response.headers().contains_key(header::RETRY_AFTER),
        row.http == StatusCode::SERVICE_UNAVAILABLE
    );
    Answer::of_code(&problem.code, problem.retry_safe)
}

/// A status without details is tonic's own: the line was lost, or nobody was there.
fn answer_of_status(status: &Status) -> Answer {
    let Some(info) = status.get_details_error_info() else { return Answer::Lost(format!("{status:?}")) };
    assert_eq!(info.domain, "flashgate");
    let row = row_of(&info.reason);
    assert_eq!(status.code(), row.grpc, "{status:?}");
    let retry_safe = info.metadata.get("retry_safe").is_some_and(|value| value == "true");
    assert_eq!(retry_safe, row.retry_safe(), "{status:?}");
    Answer::of_code(&info.reason, retry_safe)
}

fn accepted_answer(order: &str, replayed: bool) -> Answer {
    let order = order.parse().unwrap();
    if replayed { Answer::Replayed(order) } else { Answer::Accepted(order) }
}

fn buy_request(purchase: &Purchase) -> BuyRequest {
    BuyRequest {
        sale_id: purchase.sale.get(),
        quantity: purchase.quantity,
        idempotency_key: purchase.key.clone(),
    }
}

/// The row of the table of outcomes; `crates/service/tests/outcomes.rs` compares the table with the documentation.
///
/// # Panics
/// If the table has no such code.
fn row_of(code: &str) -> &'static StatusMapping {
    StatusMapping::of_code(code).unwrap_or_else(|| panic!("{code} is in no row of the outcome table"))
}
