//! Decodes and encodes HTTP; decides nothing.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use flashgate_domain::{BuyerId, OrderId, OrderState, OrderStep, Refusal, SaleId, id::InvalidId};
use flashgate_operations::view::{
    OrderEventsView, RestocksView, SaleView, SalesView, StoredOrderView, StoredOrdersView,
};
use flashgate_service::{
    body::{self, BodyLimits},
    error::ApiError,
    fields::{KEY_HEADER, idempotency_key, invalid, required},
    openapi::{Buyer, Everywhere, Id, Key, Problem, StoreDown, errors},
    order_page,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use tonic::Status;
use utoipa::{
    IntoParams, IntoResponses,
    openapi::{RefOr, Response as ResponseSchema},
};

use super::{
    form::{self, RestockForm, SaleForm, StepForm},
    page,
    sales::Sales,
};
use crate::{
    health::{Condition, Health},
    lifecycle::Orders,
    openapi,
};

/// The response header that marks an earlier creation, as in the buyers' interface.
const REPLAYED_HEADER: &str = "idempotency-replayed";

pub(super) type PathText = Result<Path<String>, PathRejection>;
type SaleAnswer = Result<Json<SaleView>, ApiError>;
type StepAnswer = Result<Json<StoredOrderView>, ApiError>;

/// The routes, without a fallback.
pub fn routes(
    sales: Arc<Sales>,
    orders: Arc<Orders>,
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
        .route("/v1/sales/{sale_id}/restock", post(restock))
        .route("/v1/sales/{sale_id}/restocks", get(restocks))
        .route("/v1/sales/{sale_id}/close", post(close))
        .route("/v1/orders", get(list_orders))
        .route("/v1/orders/{order_id}", get(order))
        .route("/v1/orders/{order_id}/cancel", post(cancel))
        .route("/v1/orders/{order_id}/pay", post(pay))
        .route("/v1/orders/{order_id}/ship", post(ship))
        .route("/v1/orders/{order_id}/fail", post(fail))
        .route("/v1/orders/{order_id}/finish", post(finish))
        .route("/v1/orders/{order_id}/refund", post(refund))
        .route("/v1/orders/{order_id}/events", get(events))
        .with_state(Operator { sales, orders, body_limits })
        .route("/openapi.json", get(async || Json(openapi::document())))
        .merge(probes)
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
}

/// The answer to an unknown path, in the protocol of the request.
pub async fn nothing_here(headers: HeaderMap) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if content_type.starts_with(b"application/grpc") {
        return Status::unimplemented("no such service").into_http();
    }
    ApiError::RouteNotFound.into_response()
}

#[derive(Clone)]
pub(crate) struct Operator {
    sales: Arc<Sales>,
    orders: Arc<Orders>,
    body_limits: BodyLimits,
}

impl Operator {
    async fn make(&self, step: OrderStep, order: PathText, headers: &HeaderMap, body: Body) -> StepAnswer {
        body::expect_json(headers)?;
        let body = body::read(body, self.body_limits).await?;
        let (by, cause) = form::step(&body)?;
        let order = self.orders.make(step, order_id(order)?, &by, &cause).await?;
        Ok(Json(StoredOrderView::from(&order)))
    }
}

/// The errors of a restock.
struct RestockErrors;

impl IntoResponses for RestockErrors {
    fn responses() -> BTreeMap<String, RefOr<ResponseSchema>> {
        let all = [
            ApiError::malformed("{field}", "{expected}"),
            Refusal::SaleNotFound.into(),
            Refusal::Ended.into(),
            ApiError::RestockKeyReused,
            ApiError::TooManyUnits,
            ApiError::BodyTimeout,
            ApiError::BodyTooLarge { bytes_max: 0 },
            ApiError::UnsupportedMediaType,
        ];
        errors(&[], &all)
    }
}

/// The errors of a step of an order.
struct StepErrors;

impl IntoResponses for StepErrors {
    fn responses() -> BTreeMap<String, RefOr<ResponseSchema>> {
        let all = [
            ApiError::malformed("{field}", "{expected}"),
            ApiError::OrderNotFound,
            ApiError::BodyTimeout,
            ApiError::OrderStateConflict { state: OrderState::Shipped, step: OrderStep::Cancel },
            ApiError::BodyTooLarge { bytes_max: 16 * 1024 },
            ApiError::UnsupportedMediaType,
        ];
        errors(&[], &all)
    }
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let condition = health.condition();
    let status = if condition.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |up| if up { "up" } else { "down" };
    let (store, bus) = (word(condition.store_up), word(condition.bus_up));
    let Condition { foreign_batches, clocks_apart, shutting_down, .. } = condition;
    let degraded = match condition.degraded() {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    (
        status,
        format!(
            "store: {store}\nbroker: {bus}\nforeign_batches: {foreign_batches}\nclocks_apart: {clocks_apart}\nshutting_down: {shutting_down}\ndegraded: {degraded}\n"
        ),
    )
}

/// What [`key`] takes, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
struct CreateParameters {
    /// Makes the creation repeatable: 1 to 255 visible ASCII characters, once.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]{1,255}$"
    )]
    idempotency_key: String,
}

/// Create a sale
///
/// Nobody can buy before it is preheated. Repeatable with an idempotency key; without one, a call whose answer was lost
/// may have stored a sale.
#[utoipa::path(
    post,
    path = "/v1/sales",
    operation_id = "createSale",
    params(CreateParameters),
    request_body = SaleForm,
    responses(
        (status = 201, description = "Created", body = SaleView, headers(("Location" = String, description = "Where the sale is"), ("Idempotency-Replayed" = String, description = "`true` if an earlier request with the key has stored it"))),
        (status = 400, description = "`malformed`: `field` names what is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`body_timeout`: the body did not arrive in time; nothing was stored", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`: more than `operator.body_bytes_max`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`sale_key_reused`: the key came before with other fields", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn create(
    State(operator): State<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    body::expect_json(&headers)?;
    let body = body::read(body, operator.body_limits).await?;
    let (key, draft) = (idempotency_key(&headers)?, form::draft(form::from_json(&body)?)?);
    let (sale, is_repeated) = operator.sales.create(key.as_ref(), &draft).await?;
    let location = [(header::LOCATION, format!("/v1/sales/{}", sale.id))];
    let mut answer = (StatusCode::CREATED, location, Json(SaleView::from(&sale))).into_response();
    if is_repeated {
        answer.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
    }
    Ok(answer)
}

/// A page of sales, by ascending id
#[utoipa::path(
    get,
    path = "/v1/sales",
    operation_id = "listSales",
    params(page::Parameters),
    responses(
        (status = 200, description = "The sales", body = SalesView),
        (status = 400, description = "`malformed`: `field` names what is wrong", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn list(
    State(operator): State<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Json<SalesView>, ApiError> {
    let sales = operator.sales.list(&page::from_query(query.as_deref())?).await?;
    Ok(Json(SalesView::from(sales.as_slice())))
}

/// A sale
#[utoipa::path(
    get,
    path = "/v1/sales/{sale_id}",
    operation_id = "getSale",
    params(("sale_id" = inline(Id), Path, description = "The sale")),
    responses(
        (status = 200, description = "The sale", body = SaleView),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`sale_not_found`", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn find(State(operator): State<Operator>, sale: PathText) -> SaleAnswer {
    Ok(Json(SaleView::from(&operator.sales.find(sale_id(sale)?).await?)))
}

/// Add units to a sale
///
/// To the order store at once, and to the ledger some milliseconds later, where they are on sale. Repeatable: a request with
/// the same key and units adds nothing.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale_id}/restock",
    operation_id = "restockSale",
    params(
        ("sale_id" = inline(Id), Path, description = "The sale"),
        ("Idempotency-Key" = inline(Key), Header, description = "Makes the restock repeatable: 1 to 255 visible ASCII characters, once"),
    ),
    request_body = RestockForm,
    responses(
        (status = 200, description = "The sale, with the units", body = SaleView),
        RestockErrors,
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn restock(
    State(operator): State<Operator>,
    sale: PathText,
    headers: HeaderMap,
    body: Body,
) -> SaleAnswer {
    body::expect_json(&headers)?;
    let body = body::read(body, operator.body_limits).await?;
    let draft = form::restock_from_json(sale_id(sale)?, &body)?;
    let key = required(KEY_HEADER, idempotency_key(&headers)?)?;
    Ok(Json(SaleView::from(&operator.sales.restock(&key, &draft).await?)))
}

/// The restocks of a sale, the latest first
#[utoipa::path(
    get,
    path = "/v1/sales/{sale_id}/restocks",
    operation_id = "listRestocks",
    params(("sale_id" = inline(Id), Path, description = "The sale")),
    responses(
        (status = 200, description = "At most 1,000 restocks", body = RestocksView),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`sale_not_found`", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn restocks(
    State(operator): State<Operator>,
    sale: PathText,
) -> Result<Json<RestocksView>, ApiError> {
    let restocks = operator.sales.restocks(sale_id(sale)?).await?;
    Ok(Json(RestocksView::from(restocks.as_slice())))
}

/// Have the gateways put a sale into the ledger
///
/// Repeatable: a second call only announces it again.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale_id}/preheat",
    operation_id = "preheatSale",
    params(("sale_id" = inline(Id), Path, description = "The sale")),
    responses(
        (status = 200, description = "The sale: `preheating`, or `preheated` if it was before", body = SaleView),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`sale_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`ended`: it is closed", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn preheat(State(operator): State<Operator>, sale: PathText) -> SaleAnswer {
    Ok(Json(SaleView::from(&operator.sales.preheat(sale_id(sale)?).await?)))
}

/// End a sale for good
///
/// Orders that were accepted go on. Repeatable: a second call only announces it again.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale_id}/close",
    operation_id = "closeSale",
    params(("sale_id" = inline(Id), Path, description = "The sale")),
    responses(
        (status = 200, description = "The sale: `closed`", body = SaleView),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`sale_not_found`", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn close(State(operator): State<Operator>, sale: PathText) -> SaleAnswer {
    Ok(Json(SaleView::from(&operator.sales.close(sale_id(sale)?).await?)))
}

/// An order, whoever's it is
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}",
    operation_id = "getOrder",
    params(("order_id" = inline(Id), Path, description = "The order")),
    responses(
        (status = 200, description = "The order", body = StoredOrderView),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`order_not_found`: it was not placed, or not yet", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn order(
    State(operator): State<Operator>,
    order: PathText,
) -> Result<Json<StoredOrderView>, ApiError> {
    Ok(Json(StoredOrderView::from(&operator.orders.find(order_id(order)?).await?)))
}

/// The parameters of a list of orders besides its page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct BuyerParameter {
    /// The buyer.
    #[param(inline)]
    buyer_id: Buyer,
}

/// Orders of a buyer, the newest first
#[utoipa::path(
    get,
    path = "/v1/orders",
    operation_id = "listOrders",
    params(BuyerParameter, order_page::Parameters),
    responses(
        (status = 200, description = "The orders", body = StoredOrdersView),
        (status = 400, description = "`malformed`: `field` names what is wrong", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn list_orders(
    State(operator): State<Operator>,
    RawQuery(query): RawQuery,
) -> Result<Json<StoredOrdersView>, ApiError> {
    let mut buyer = None;
    let page = order_page::from_query(query.as_deref(), |name, value| {
        let is_known = name == "buyer_id";
        if is_known {
            buyer = Some(BuyerId::new(value).map_err(invalid("buyer_id"))?);
        }
        Ok(is_known)
    })?;
    let orders = operator.orders.list(&required("buyer_id", buyer)?, page).await?;
    Ok(Json(StoredOrdersView::from(orders.as_slice())))
}

/// Cancel an order
///
/// An unpaid order gives its units back to the sale. So does a paid one, which is then to be refunded. Repeatable: an order
/// that is cancelled stays as it is.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/cancel",
    operation_id = "cancelOrder",
    params(("order_id" = inline(Id), Path, description = "The order")),
    request_body = StepForm,
    responses(
        (status = 200, description = "The order, cancelled now or before", body = StoredOrderView),
        StepErrors,
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn cancel(
    state: State<Operator>,
    order: PathText,
    headers: HeaderMap,
    body: Body,
) -> StepAnswer {
    state.make(OrderStep::Cancel, order, &headers, body).await
}

/// Record that an order was paid
///
/// In cash or by other means that flashgate does not know. Repeatable: an order that is paid stays as it is.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/pay",
    operation_id = "payOrder",
    params(("order_id" = inline(Id), Path, description = "The order")),
    request_body = StepForm,
    responses(
        (status = 200, description = "The order, paid now or before", body = StoredOrderView),
        StepErrors,
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn pay(
    state: State<Operator>,
    order: PathText,
    headers: HeaderMap,
    body: Body,
) -> StepAnswer {
    state.make(OrderStep::Pay, order, &headers, body).await
}

/// Record that a paid order was shipped
///
/// Repeatable: an order that is shipped stays as it is.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/ship",
    operation_id = "shipOrder",
    params(("order_id" = inline(Id), Path, description = "The order")),
    request_body = StepForm,
    responses(
        (status = 200, description = "The order, shipped now or before", body = StoredOrderView),
        StepErrors,
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn ship(
    state: State<Operator>,
    order: PathText,
    headers: HeaderMap,
    body: Body,
) -> StepAnswer {
    state.make(OrderStep::Ship, order, &headers, body).await
}

/// Record that a paid order cannot be shipped
///
/// It is cancelled as `outbound_failed` and gives its units back to the sale; its payment is refunded. Repeatable: an order that
/// is cancelled stays as it is.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/fail",
    operation_id = "failOrder",
    params(("order_id" = inline(Id), Path, description = "The order")),
    request_body = StepForm,
    responses(
        (status = 200, description = "The order, cancelled now or before", body = StoredOrderView),
        StepErrors,
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn fail(
    state: State<Operator>,
    order: PathText,
    headers: HeaderMap,
    body: Body,
) -> StepAnswer {
    state.make(OrderStep::Fail, order, &headers, body).await
}

/// Record that a shipped order is finished
///
/// Repeatable: an order that is finished stays as it is.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/finish",
    operation_id = "finishOrder",
    params(("order_id" = inline(Id), Path, description = "The order")),
    request_body = StepForm,
    responses(
        (status = 200, description = "The order, finished now or before", body = StoredOrderView),
        StepErrors,
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn finish(
    state: State<Operator>,
    order: PathText,
    headers: HeaderMap,
    body: Body,
) -> StepAnswer {
    state.make(OrderStep::Finish, order, &headers, body).await
}

/// Record that a cancelled order was refunded
///
/// Money was paid back by means that flashgate does not know. Repeatable: an order that is refunded stays as it is.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/refund",
    operation_id = "refundOrder",
    params(("order_id" = inline(Id), Path, description = "The order")),
    request_body = StepForm,
    responses(
        (status = 200, description = "The order, refunded now or before", body = StoredOrderView),
        StepErrors,
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn refund(
    state: State<Operator>,
    order: PathText,
    headers: HeaderMap,
    body: Body,
) -> StepAnswer {
    state.make(OrderStep::Refund, order, &headers, body).await
}

/// The transitions of an order, the earliest first
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}/events",
    operation_id = "listOrderEvents",
    params(("order_id" = inline(Id), Path, description = "The order")),
    responses(
        (status = 200, description = "The transitions after it was placed", body = OrderEventsView),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`order_not_found`: it was not placed, or not yet", body = Problem, content_type = "application/problem+json"),
        StoreDown,
        Everywhere,
    )
)]
pub(crate) async fn events(
    State(operator): State<Operator>,
    order: PathText,
) -> Result<Json<OrderEventsView>, ApiError> {
    Ok(Json(OrderEventsView::from(operator.orders.events(order_id(order)?).await?.as_slice())))
}

pub(super) fn order_id(text: PathText) -> Result<OrderId, ApiError> {
    parse(text, "order_id")
}

fn sale_id(text: PathText) -> Result<SaleId, ApiError> {
    parse(text, "sale_id")
}

/// Decodes a path parameter; axum refuses one that is not UTF-8.
fn parse<I: FromStr<Err = InvalidId>>(text: PathText, field: &'static str) -> Result<I, ApiError> {
    let Ok(Path(text)) = text else { return Err(ApiError::malformed(field, InvalidId::NotANumber)) };
    text.parse().map_err(invalid(field))
}
