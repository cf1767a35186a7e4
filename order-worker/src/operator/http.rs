//! Decodes and encodes HTTP; decides nothing.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use flashgate_domain::{OrderId, SaleId, id::InvalidId};
use flashgate_service::{
    answer::Failure,
    body::{self, BodyLimits},
};
use http::{HeaderMap, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use tonic::Status;

use super::{
    form::SaleForm,
    page,
    sales::Sales,
    view::{OrderView, SaleView, SalesView},
};
use crate::health::Health;

type PathText = Result<Path<String>, PathRejection>;
type SaleAnswer = Result<Json<SaleView>, Failure>;

/// The routes, without a fallback.
pub fn routes(
    sales: Arc<Sales>,
    health: Arc<Health>,
    metrics: Option<PrometheusHandle>,
    body_limits: BodyLimits,
) -> Router {
    let mut probes = Router::new()
        .route("/healthz/live", get(|| async { "alive" }))
        .route("/healthz/ready", get(ready).with_state(health));
    if let Some(metrics) = metrics {
        probes = probes.route("/metrics", get(move || async move { metrics.render() }));
    }
    Router::new()
        .route("/v1/sales", get(list).post(create))
        .route("/v1/sales/{sale_id}", get(find))
        .route("/v1/sales/{sale_id}/preheat", post(preheat))
        .route("/v1/sales/{sale_id}/close", post(close))
        .route("/v1/orders/{order_id}", get(order))
        .with_state(Operator { sales, body_limits })
        .merge(probes)
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed })
}

/// A path that is no route, in the protocol of whoever asks.
pub async fn nothing_here(headers: HeaderMap) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if content_type.starts_with(b"application/grpc") {
        return Status::unimplemented("no such service").into_http();
    }
    Failure::RouteNotFound.into_response()
}

#[derive(Clone)]
struct Operator {
    sales: Arc<Sales>,
    body_limits: BodyLimits,
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let condition = health.condition();
    let status = if condition.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |up| if up { "up" } else { "down" };
    let (store, bus) = (word(condition.store_up), word(condition.bus_up));
    (status, format!("store: {store}\nbroker: {bus}\nleaving: {}\n", condition.leaving))
}

async fn create(
    State(operator): State<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    body::expect_json(&headers)?;
    let body = body::read(body, operator.body_limits).await?;
    let sale = operator.sales.create(&SaleForm::from_json(&body)?.check()?).await?;
    let location = [(header::LOCATION, format!("/v1/sales/{}", sale.id))];
    Ok((StatusCode::CREATED, location, Json(SaleView::from(&sale))).into_response())
}

async fn list(
    State(operator): State<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Json<SalesView>, Failure> {
    let sales = operator.sales.list(&page::from_query(query.as_deref().unwrap_or(""))?).await?;
    Ok(Json(SalesView::from(sales.as_slice())))
}

async fn find(State(operator): State<Operator>, sale: PathText) -> SaleAnswer {
    Ok(Json(SaleView::from(&operator.sales.find(sale_id(sale)?).await?)))
}

async fn preheat(State(operator): State<Operator>, sale: PathText) -> SaleAnswer {
    Ok(Json(SaleView::from(&operator.sales.preheat(sale_id(sale)?).await?)))
}

async fn close(State(operator): State<Operator>, sale: PathText) -> SaleAnswer {
    Ok(Json(SaleView::from(&operator.sales.close(sale_id(sale)?).await?)))
}

async fn order(State(operator): State<Operator>, order: PathText) -> Result<Json<OrderView>, Failure> {
    let order: OrderId = parse(order, "order_id")?;
    Ok(Json(OrderView::from(&operator.sales.order(order).await?)))
}

fn sale_id(text: PathText) -> Result<SaleId, Failure> {
    parse(text, "sale_id")
}

/// A parameter of the path; axum refuses one that is not UTF-8.
fn parse<I: FromStr<Err = InvalidId>>(text: PathText, field: &'static str) -> Result<I, Failure> {
    let Ok(Path(text)) = text else { return Err(Failure::malformed(field, InvalidId::NotANumber)) };
    text.parse().map_err(|invalid| Failure::malformed(field, invalid))
}
