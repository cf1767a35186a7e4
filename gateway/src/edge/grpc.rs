//! gRPC for buyers: decodes requests and encodes answers. Decides nothing.

mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;

use std::{future::ready, pin::Pin, sync::Arc, time::Duration};

use axum::Router;
use flashgate_domain::{CancelReason, Refusal, Timestamp, Verdict};
use flashgate_proto::{
    FILE_DESCRIPTOR_SET,
    payment::payment_message,
    v1::{
        self, BuyRequest, BuyResponse, BuyStreamRequest, BuyStreamResponse, CancelOrderRequest,
        GetOrderRequest, GetOrderResponse, ListOrdersRequest, ListOrdersResponse, OpenPaymentRequest,
        buy_stream_response,
        purchase_service_server::{PurchaseService, PurchaseServiceServer},
    },
};
use flashgate_service::{
    error::ApiError,
    fields::{GrpcResult, idempotency_key},
    messages, order_page,
};
use futures::{Stream, StreamExt, stream};
use tokio::time::sleep;
use tonic::{Request, Response, Status, Streaming, service::Routes};
use tonic_health::{
    pb::health_server::{Health, HealthServer},
    server::HealthReporter,
};

use super::{api::Api, trace::trace_context};
use crate::{
    buy::{orders::OrderView, purchase::Buy},
    readiness::Readiness,
};

/// The method with many requests per call.
const BUY_STREAM: &str = "/flashgate.v1.PurchaseService/BuyStream";
/// Interval between updates of the health service.
const HEALTH_PERIOD: Duration = Duration::from_secs(1);
/// Maximum concurrent requests of one stream; the stream is read no faster.
const STREAM_REQUESTS_MAX: usize = 4_096;

/// The services for buyers, with health and reflection.
pub fn router(
    api: Arc<Api>,
    health: HealthServer<impl Health>,
) -> Result<Router, tonic_reflection::server::Error> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let limits = api.body_limits;
    let purchase = PurchaseServiceServer::new(Purchases { api }).max_decoding_message_size(limits.bytes_max);
    let routes = Routes::new(purchase).add_service(reflection).add_service(health);
    Ok(messages::bounded(routes.into_axum_router(), limits, &[BUY_STREAM]))
}

/// Updates the health service with the readiness of this gateway every second, without end.
pub async fn report_health(reporter: HealthReporter, readiness: Arc<Readiness>) {
    loop {
        if readiness.missing().is_empty() {
            reporter.set_serving::<PurchaseServiceServer<Purchases>>().await;
        } else {
            reporter.set_not_serving::<PurchaseServiceServer<Purchases>>().await;
        }
        sleep(HEALTH_PERIOD).await;
    }
}

struct Purchases {
    api: Arc<Api>,
}

#[tonic::async_trait]
impl PurchaseService for Purchases {
    async fn buy(&self, request: Request<BuyRequest>) -> GrpcResult<BuyResponse> {
        let (metadata, _extensions, body) = request.into_parts();
        let headers = metadata.into_headers();
        let buyer = self.api.auth.buyer(&headers)?;
        let buy = fields::buy(buyer, idempotency_key(&headers)?, &body)?;
        let buy = Buy { trace: trace_context(&headers), ..buy };
        Ok(Response::new(answer(self.api.purchase.buy(buy).await)?))
    }

    type BuyStreamStream = Pin<Box<dyn Stream<Item = Result<BuyStreamResponse, Status>> + Send>>;

    async fn buy_stream(
        &self,
        request: Request<Streaming<BuyStreamRequest>>,
    ) -> GrpcResult<Self::BuyStreamStream> {
        let (metadata, _extensions, requests) = request.into_parts();
        self.api.auth.may_act_for_anyone(&metadata.into_headers())?;
        let (api, shutdown) = (Arc::clone(&self.api), self.api.shutdown.clone());
        let bytes_max = api.body_limits.bytes_max;
        // After shutdown the stream is read no further; requests that were read are still answered. Callers keep
        // streams open for hours: an unbounded stream would take the whole drain time.
        let requests = requests.take_until(shutdown.clone().cancelled_owned());
        let answers = requests.map(move |request| {
            let api = Arc::clone(&api);
            async move {
                let request = request.map_err(|status| messages::explained_status(status, bytes_max))?;
                Ok(buy_one_of_many(&api, request).await)
            }
        });
        let end = stream::once(async move { shutdown.is_cancelled().then(draining) }).filter_map(ready);
        Ok(Response::new(Box::pin(answers.buffer_unordered(STREAM_REQUESTS_MAX).chain(end))))
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> GrpcResult<GetOrderResponse> {
        let (metadata, _extensions, body) = request.into_parts();
        let buyer = self.api.auth.buyer(&metadata.into_headers())?;
        let order = self.api.orders.find(fields::order_id(&body.order_id)?, &buyer).await?;
        Ok(Response::new(order_message(&order)))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> GrpcResult<ListOrdersResponse> {
        let (metadata, _extensions, body) = request.into_parts();
        let buyer = self.api.auth.buyer(&metadata.into_headers())?;
        let page = order_page::from_message(&body.before_id, body.page_size)?;
        let orders = self.api.orders.list(&buyer, page).await?;
        Ok(Response::new(ListOrdersResponse { orders: orders.iter().map(order_message).collect() }))
    }

    async fn cancel_order(&self, request: Request<CancelOrderRequest>) -> GrpcResult<GetOrderResponse> {
        let (metadata, _extensions, body) = request.into_parts();
        let buyer = self.api.auth.buyer(&metadata.into_headers())?;
        let order = self.api.orders.cancel(fields::order_id(&body.order_id)?, &buyer).await?;
        Ok(Response::new(order_message(&order)))
    }

    async fn open_payment(&self, request: Request<OpenPaymentRequest>) -> GrpcResult<v1::Payment> {
        let (metadata, _extensions, body) = request.into_parts();
        let buyer = self.api.auth.buyer(&metadata.into_headers())?;
        let payment = self.api.orders.pay(fields::order_id(&body.order_id)?, &buyer).await?;
        Ok(Response::new(payment_message(&payment)))
    }
}

fn order_message(order: &OrderView) -> GetOrderResponse {
    GetOrderResponse {
        order_id: order.id.to_string(),
        sale_id: order.sale.get(),
        quantity: order.quantity,
        state: order.state.as_str().to_owned(),
        cancel_reason: order.state.reason().map(CancelReason::as_str).unwrap_or_default().to_owned(),
        version: order.version,
        pay_by_ms: order.pay_by.map(Timestamp::as_millis),
    }
}

/// The last answer of a stream at shutdown: every request without an answer was not read.
fn draining() -> Result<BuyStreamResponse, Status> {
    Err(ApiError::from(Refusal::Draining).into())
}

fn answer(verdict: Verdict) -> Result<BuyResponse, ApiError> {
    match verdict {
        Verdict::Accepted(order) => Ok(BuyResponse { order_id: order.to_string(), replayed: false }),
        Verdict::Replayed(order) => Ok(BuyResponse { order_id: order.to_string(), replayed: true }),
        Verdict::Refused(refusal) => Err(refusal.into()),
        Verdict::Unknown => Err(ApiError::OutcomeUnknown),
    }
}

async fn buy_one_of_many(api: &Api, request: BuyStreamRequest) -> BuyStreamResponse {
    let request_id = request.request_id;
    let answer = match fields::buy_for_anyone(request) {
        Ok(buy) => answer(api.purchase.buy(buy).await),
        Err(error) => Err(error),
    };
    let answer = match answer {
        Ok(accepted) => buy_stream_response::Answer::Accepted(accepted),
        Err(error) => buy_stream_response::Answer::Error(encode(&error)),
    };
    BuyStreamResponse { request_id, answer: Some(answer) }
}

fn encode(error: &ApiError) -> v1::BuyError {
    let row = error.mapping();
    v1::BuyError {
        grpc_code: row.grpc.into(),
        code: row.code.to_owned(),
        detail: error.detail(),
        retry_safe: row.retry_safe(),
    }
}
