//! Bad input at the order worker, over both of its forms: each wrong field of a sale is named, and no sale comes
//! of it.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytes::Bytes;
use flashgate_proto::v1::{
    CloseSaleRequest, CreateSaleRequest, FindOrderRequest, GetSaleRequest, ListSalesRequest,
    PreheatSaleRequest, Sale, order_service_client::OrderServiceClient,
    sale_service_client::SaleServiceClient,
};
use flashgate_tests::{Deployment, Door, door::problem, raw_grpc::RawGrpc};
use futures::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

/// One worker, no gateway: whatever is told here, no buyer is needed for it.
struct Desk {
    shop: Deployment,
    http: Door,
    sales: SaleServiceClient<Channel>,
    orders: OrderServiceClient<Channel>,
}

/// The code of a refusal and the field that it names.
type Told = (&'static str, Option<&'static str>);

impl Desk {
    async fn open(name: &str) -> Self {
        let shop = Deployment::of(name).gateways(0).start().await;
        let address = shop.workers[0].address();
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let (sales, orders) = (SaleServiceClient::new(channel.clone()), OrderServiceClient::new(channel));
        Self { shop, http: Door::new(address, address), sales, orders }
    }

    async fn http(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        self.http.http(request.body(Full::from(body)).unwrap()).await.unwrap()
    }

    async fn post(&self, path: &str, form: &Value) -> Response<Bytes> {
        self.http(Method::POST, path, "application/json", form.to_string().into_bytes()).await
    }

    async fn sales_in_store(&self) -> usize {
        let listed = self.sales.clone().list_sales(ListSalesRequest::default()).await;
        listed.unwrap().into_inner().sales.len()
    }
}

/// A sale that would be created.
fn form() -> Value {
    json!({
        "title": "Eine Kanne", "price_minor": 1_999, "currency": "EUR", "opens_at_ms": 1_000,
        "closes_at_ms": 2_000, "stock": 10, "limit_per_buyer": 5, "quantity_max": 2, "deduct_policy": "at_order",
        "pay_within_ms": 60_000,
    })
}

fn message() -> CreateSaleRequest {
    CreateSaleRequest {
        title: "Eine Kanne".to_owned(),
        price_minor: 1_999,
        currency: "EUR".to_owned(),
        opens_at_ms: 1_000,
        closes_at_ms: 2_000,
        stock: 10,
        limit_per_buyer: 5,
        quantity_max: 2,
        deduct_policy: "at_order".to_owned(),
        idempotency_key: String::new(),
        pay_within_ms: Some(60_000),
    }
}

/// Values that a field of the right type must not have.
fn wrong_values() -> Vec<(&'static str, Value)> {
    vec![
        ("title", json!("")),
        ("pay_within_ms", json!(999)),
        ("pay_within_ms", json!(2_592_000_001_u64)),
        ("title", json!("x".repeat(201))),
        ("title", json!("two\nlines")),
        ("price_minor", json!(1_000_000_000_001_u64)),
        ("currency", json!("")),
        ("currency", json!("eur")),
        ("currency", json!("EURO")),
        ("closes_at_ms", json!(1_000)),
        ("closes_at_ms", json!(0)),
        ("closes_at_ms", json!(u64::MAX)),
        ("stock", json!(0)),
        ("stock", json!(1_000_000_001)),
        ("limit_per_buyer", json!(0)),
        ("limit_per_buyer", json!(1_000_001)),
        ("quantity_max", json!(6)),
        ("deduct_policy", json!("sometimes")),
    ]
}

/// Values of another type, which only JSON can hold.
fn wrong_types() -> Vec<(&'static str, Value)> {
    let texts = ["title", "currency", "deduct_policy"];
    let numbers = [
        "price_minor",
        "opens_at_ms",
        "closes_at_ms",
        "stock",
        "limit_per_buyer",
        "quantity_max",
        "pay_within_ms",
    ];
    let for_text =
        texts.iter().flat_map(|field| [json!(1), json!(null), json!([])].map(|value| (*field, value)));
    let for_number = numbers.iter().flat_map(|field| {
        [json!("1"), json!(-1), json!(1.5), json!(null), json!(true), json!(18_446_744_073_709_551_616_f64)]
            .map(|value| (*field, value))
    });
    let too_wide = [("limit_per_buyer", json!(1_u64 << 32)), ("quantity_max", json!(1_u64 << 32))];
    for_text.chain(for_number).chain(too_wide).collect()
}

fn with(field: &str, value: Value) -> Value {
    let mut form = form();
    form[field] = value;
    form
}

fn without(field: &str) -> Value {
    let mut form = form();
    form.as_object_mut().unwrap().remove(field);
    form
}

fn set(message: &mut CreateSaleRequest, field: &str, value: &Value) {
    let text = || value.as_str().unwrap().to_owned();
    let number = || value.as_u64().unwrap();
    let narrow = || u32::try_from(number()).unwrap();
    match field {
        "title" => message.title = text(),
        "price_minor" => message.price_minor = number(),
        "currency" => message.currency = text(),
        "closes_at_ms" => message.closes_at_ms = number(),
        "stock" => message.stock = number(),
        "limit_per_buyer" => message.limit_per_buyer = narrow(),
        "quantity_max" => message.quantity_max = narrow(),
        "pay_within_ms" => message.pay_within_ms = Some(number()),
        "deduct_policy" => message.deduct_policy = text(),
        unknown => panic!("{unknown} is in no table"),
    }
}

fn is_told(what: &str, response: &Response<Bytes>, status: StatusCode, (code, field): Told) {
    let problem = problem(response);
    let heard = (response.status(), problem.code.as_str(), problem.field.as_deref(), problem.retry_safe);
    assert_eq!(heard, (status, code, field, false), "{what}");
}

fn is_told_over_grpc(what: &str, status: &Status, code: Code, (reason, field): Told) {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("{what}: {status:?}"));
    let fields = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    let named = fields.first().map(|violation| violation.field.as_str());
    assert_eq!((status.code(), info.reason.as_str(), named), (code, reason, field), "{what}");
    assert_eq!(info.metadata["retry_safe"], "false", "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_of_a_sale_is_named_and_no_sale_comes_of_it() {
    let desk = Desk::open("operator-form").await;
    let bad = StatusCode::BAD_REQUEST;
    for (field, value) in wrong_values() {
        let what = format!("{field} = {value}");
        let told = ("malformed", Some(field));
        let response = desk.post("/v1/sales", &with(field, value.clone())).await;
        is_told(&what, &response, bad, told);
        let mut message = message();
        set(&mut message, field, &value);
        let status = desk.sales.clone().create_sale(message).await.unwrap_err();
        is_told_over_grpc(&what, &status, Code::InvalidArgument, told);
    }
    for (field, value) in wrong_types() {
        let what = format!("{field} = {value}");
        is_told(&what, &desk.post("/v1/sales", &with(field, value)).await, bad, ("malformed", Some(field)));
    }
    for field in
        ["title", "price_minor", "currency", "opens_at_ms", "closes_at_ms", "stock", "limit_per_buyer"]
    {
        let what = format!("no {field}");
        is_told(&what, &desk.post("/v1/sales", &without(field)).await, bad, ("malformed", Some(field)));
    }
    let unknown = desk.post("/v1/sales", &with("colour", json!("red"))).await;
    is_told("an unknown field", &unknown, bad, ("malformed", Some("colour")));
    for body in ["", "[]", "null", "{", "{\"title\":\"x\"}}"] {
        let response = desk.http(Method::POST, "/v1/sales", "application/json", body.into()).await;
        is_told(body, &response, bad, ("malformed", Some("body")));
    }
    assert_eq!(desk.sales_in_store().await, 0);
    desk.shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_request_is_answered_with_its_problem() {
    let desk = Desk::open("operator-request").await;
    let large = with("title", json!("x".repeat(17_000))).to_string().into_bytes();
    let response = desk.http(Method::POST, "/v1/sales", "application/json", large).await;
    is_told("a large body", &response, StatusCode::PAYLOAD_TOO_LARGE, ("body_too_large", None));
    let text = desk.http(Method::POST, "/v1/sales", "text/plain", form().to_string().into()).await;
    is_told("text", &text, StatusCode::UNSUPPORTED_MEDIA_TYPE, ("unsupported_media_type", None));
    for (method, path, status, told) in [
        (Method::GET, "/v1/sales/77", StatusCode::NOT_FOUND, ("sale_not_found", None)),
        (Method::POST, "/v1/sales/77/preheat", StatusCode::NOT_FOUND, ("sale_not_found", None)),
        (Method::POST, "/v1/sales/77/close", StatusCode::NOT_FOUND, ("sale_not_found", None)),
        (Method::GET, "/v1/orders/77", StatusCode::NOT_FOUND, ("order_not_found", None)),
        (Method::GET, "/v1/sales/0", StatusCode::BAD_REQUEST, ("malformed", Some("sale_id"))),
        (Method::GET, "/v1/sales/%FF", StatusCode::BAD_REQUEST, ("malformed", Some("sale_id"))),
        (Method::POST, "/v1/sales/-1/preheat", StatusCode::BAD_REQUEST, ("malformed", Some("sale_id"))),
        (Method::POST, "/v1/sales/x/close", StatusCode::BAD_REQUEST, ("malformed", Some("sale_id"))),
        (Method::GET, "/v1/orders/01", StatusCode::BAD_REQUEST, ("malformed", Some("order_id"))),
        (Method::GET, "/v1/orders", StatusCode::BAD_REQUEST, ("malformed", Some("buyer_id"))),
        (Method::GET, "/v1/orders?buyer_id=", StatusCode::BAD_REQUEST, ("malformed", Some("buyer_id"))),
        (
            Method::GET,
            "/v1/orders?buyer_id=a&before_id=x",
            StatusCode::BAD_REQUEST,
            ("malformed", Some("before_id")),
        ),
        (
            Method::GET,
            "/v1/orders?buyer_id=a&page_size=101",
            StatusCode::BAD_REQUEST,
            ("malformed", Some("page_size")),
        ),
        (
            Method::GET,
            "/v1/orders?buyer_id=a&sale_id=1",
            StatusCode::BAD_REQUEST,
            ("malformed", Some("sale_id")),
        ),
        (Method::GET, "/v1/sales?page_size=1001", StatusCode::BAD_REQUEST, ("malformed", Some("page_size"))),
        (Method::GET, "/v1/sales?after_id=x", StatusCode::BAD_REQUEST, ("malformed", Some("after_id"))),
        (Method::GET, "/v1/sales?states=sold", StatusCode::BAD_REQUEST, ("malformed", Some("states"))),
        (Method::GET, "/v1/sales?colour=red", StatusCode::BAD_REQUEST, ("malformed", Some("colour"))),
        (Method::DELETE, "/v1/sales/77", StatusCode::METHOD_NOT_ALLOWED, ("method_not_allowed", None)),
        (Method::GET, "/v1/nothing", StatusCode::NOT_FOUND, ("route_not_found", None)),
    ] {
        is_told(
            &format!("{method} {path}"),
            &desk.http(method.clone(), path, "", Vec::new()).await,
            status,
            told,
        );
    }
    let mut sales = desk.sales.clone();
    for (sale_id, code, told) in [
        (0, Code::InvalidArgument, ("malformed", Some("sale_id"))),
        (u64::MAX, Code::InvalidArgument, ("malformed", Some("sale_id"))),
        (77, Code::NotFound, ("sale_not_found", None)),
    ] {
        let failed = [
            sales.get_sale(GetSaleRequest { sale_id }).await.unwrap_err(),
            sales.preheat_sale(PreheatSaleRequest { sale_id }).await.unwrap_err(),
            sales.close_sale(CloseSaleRequest { sale_id }).await.unwrap_err(),
        ];
        failed.iter().for_each(|status| is_told_over_grpc(&sale_id.to_string(), status, code, told));
    }
    let states = vec!["sold".to_owned()];
    let listed =
        sales.list_sales(ListSalesRequest { states, ..ListSalesRequest::default() }).await.unwrap_err();
    is_told_over_grpc("states", &listed, Code::InvalidArgument, ("malformed", Some("states")));
    let long = CreateSaleRequest { title: "x".repeat(17_000), ..message() };
    let refused = sales.create_sale(long).await.unwrap_err();
    is_told_over_grpc("a large message", &refused, Code::InvalidArgument, ("body_too_large", None));
    let raw = RawGrpc::new(desk.shop.workers[0].address());
    let garbage = tonic::Request::new(stream::iter([Bytes::from_static(b"\xff\xff\xff\xff\xff\xff")]));
    let status = raw.call("/flashgate.v1.SaleService/CreateSale", garbage).await.unwrap_err();
    is_told_over_grpc("garbage", &status, Code::InvalidArgument, ("malformed", Some("message")));
    let found =
        desk.orders.clone().find_order(FindOrderRequest { order_id: "x".to_owned() }).await.unwrap_err();
    is_told_over_grpc("order x", &found, Code::InvalidArgument, ("malformed", Some("order_id")));
    desk.shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_preheat_and_a_second_close_change_nothing() {
    let desk = Desk::open("operator-twice").await;
    let created = desk.post("/v1/sales", &form()).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let path = created.headers()["location"].to_str().unwrap().to_owned();
    let sale_id: u64 = path.rsplit('/').next().unwrap().parse().unwrap();
    let mut sales = desk.sales.clone();
    let state = |sale: Sale| (sale.state, sale.generation, sale.saleable);
    let expected = |state: &str| (state.to_owned(), 1, 10);
    for _twice in 0..2 {
        let preheated = sales.preheat_sale(PreheatSaleRequest { sale_id }).await.unwrap().into_inner();
        assert_eq!(state(preheated), expected("preheating"));
        let over_http = desk.http(Method::POST, &format!("{path}/preheat"), "", Vec::new()).await;
        assert_eq!(over_http.status(), StatusCode::OK);
    }
    for _twice in 0..2 {
        let closed = sales.close_sale(CloseSaleRequest { sale_id }).await.unwrap().into_inner();
        assert_eq!(state(closed), expected("closed"));
        let over_http = desk.http(Method::POST, &format!("{path}/close"), "", Vec::new()).await;
        assert_eq!(over_http.status(), StatusCode::OK);
    }
    let after_the_end = desk.http(Method::POST, &format!("{path}/preheat"), "", Vec::new()).await;
    is_told("preheat after close", &after_the_end, StatusCode::GONE, ("ended", None));
    let status = sales.preheat_sale(PreheatSaleRequest { sale_id }).await.unwrap_err();
    is_told_over_grpc("preheat after close", &status, Code::FailedPrecondition, ("ended", None));
    desk.shop.stop().await;
}
