//! What operators are told, over HTTP and gRPC, with doubles of the store and the bus.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use flashgate_domain::{Clock, SystemClock, Timestamp};
use flashgate_messaging::Topic;
use flashgate_order_store::{
    OrderRepository, SaleRepository,
    contract::scene::{NOW, draft, singles},
};
use flashgate_order_worker::{
    health::Health,
    lifecycle::{EventPublisher, Lifecycle},
    operator::{self, Backlog, DeadLetters, Interface, Repairs, Sales},
    payments,
};
use flashgate_proto::{
    body,
    v1::{
        BuyerUnits, CancelStoredOrderRequest, ConfirmPreheatRequest, CreateSaleRequest, FindOrderRequest,
        GetSaleRequest, ListBuyersRequest, ListOrderEventsRequest, ListSalesRequest, PreheatSaleRequest,
        order_service_client::OrderServiceClient, order_store_service_client::OrderStoreServiceClient,
        preheat_service_client::PreheatServiceClient, sale_service_client::SaleServiceClient,
    },
};
use flashgate_service::{
    body::BodyLimits,
    listener::{self, ListenerLimits, Places},
};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt;
use tower::ServiceExt;

use crate::double::{Event, MemoryBus, MemoryStore, NoTopic, lifecycle};

/// The time at which the orders are placed: none is overdue.
struct AtNow;

impl Clock for AtNow {
    fn now(&self) -> Timestamp {
        NOW
    }
}

struct Scene {
    store: Arc<MemoryStore>,
    bus: MemoryBus,
    health: Arc<Health>,
    router: Router,
    /// Publishes events, once it is started.
    publisher: Mutex<Option<EventPublisher>>,
}

impl Scene {
    fn new() -> Self {
        let (store, bus, health) = (Arc::new(MemoryStore::default()), MemoryBus::default(), Arc::default());
        let topic = Topic::new("t-sales").unwrap();
        let sales = Sales::new(store.clone(), Arc::new(bus.clone()), topic, Arc::new(SystemClock));
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let repairs = Repairs {
            store: store.clone(),
            publisher: Arc::new(bus.clone()),
            outcomes: Topic::new("t-outcomes").unwrap(),
            clock: Arc::new(SystemClock),
            backlog: Backlog::default(),
        };
        let letters = DeadLetters {
            browser: Arc::new(NoTopic),
            publisher: Arc::new(bus.clone()),
            orders: Topic::new("t-orders").unwrap(),
            store: store.clone(),
            clock: Arc::new(SystemClock),
        };
        let (sales, metrics) = (Arc::new(sales), Some(metrics));
        let limits = BodyLimits { bytes_max: 16 * 1024, time_max: Duration::from_secs(5) };
        let Lifecycle { orders, events, tasks, .. } = lifecycle(&store, &bus, Arc::new(AtNow), &health);
        let publisher = tasks.events;
        let payments = payments::Dependencies {
            store: store.clone(),
            orders: Arc::clone(&orders),
            events,
            clock: Arc::new(AtNow),
            health: Arc::clone(&health),
            seed: 7,
        };
        // Without a provider.
        let (payments, _no_tasks) = payments::open(None, payments, 1_024);
        let dead_letters = letters;
        let interface =
            Interface { sales, orders, payments, repairs, dead_letters, health: Arc::clone(&health) };
        let (router, _reporting) = operator::router(interface, metrics, limits).unwrap();
        Self { store, bus, health, router, publisher: Mutex::new(Some(publisher)) }
    }

    async fn call(&self, request: Request<Body>) -> (StatusCode, Value) {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.call(request.body(body.into()).unwrap()).await
    }

    /// A gRPC connection to the same router.
    async fn channel(&self) -> Channel {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = ListenerLimits::default();
        tokio::spawn(listener::serve(
            listener,
            self.router.clone(),
            Places::new("test", 10),
            limits,
            CancellationToken::new(),
        ));
        Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
    }
}

fn form() -> Value {
    json!({"title": "A", "price_minor": 100, "currency": "EUR", "opens_at_ms": 1, "closes_at_ms": 2,
        "stock": 500, "limit_per_buyer": 2})
}

#[tokio::test]
async fn a_wrong_form_is_answered_with_the_field_that_is_wrong() {
    let scene = Scene::new();
    for (field, value) in [
        ("title", json!(1)),
        ("title", json!("")),
        ("price_minor", json!(-1)),
        ("price_minor", json!(1.5)),
        ("price_minor", json!("1")),
        ("currency", json!("eur")),
        ("closes_at_ms", json!(1)),
        ("stock", json!(0)),
        ("stock", Value::Null),
        ("limit_per_buyer", json!(4_294_967_296_u64)),
        ("quantity_max", json!(3)),
        ("deduct_policy", json!("sometimes")),
        ("colour", json!("red")),
    ] {
        let mut wrong = form();
        wrong[field] = value.clone();
        let (status, problem) = scene.post("/v1/sales", wrong.to_string()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field} = {value}");
        assert_eq!((&problem["code"], &problem["field"]), (&json!("malformed"), &json!(field)), "{value}");
        assert_eq!(problem["retry_safe"], json!(false));
    }
    for body in ["", "{", "[]", "null", "1"] {
        let (status, problem) = scene.post("/v1/sales", body).await;
        assert_eq!((status, &problem["field"]), (StatusCode::BAD_REQUEST, &json!("body")), "{body:?}");
    }
    assert!(scene.bus.events().is_empty());
}

#[tokio::test]
async fn a_wrong_request_is_answered_with_its_problem() {
    let scene = Scene::new();
    for (path, status, code) in [
        ("/v1/sales/99", StatusCode::NOT_FOUND, "sale_not_found"),
        ("/v1/sales/0", StatusCode::BAD_REQUEST, "malformed"),
        ("/v1/sales/-1", StatusCode::BAD_REQUEST, "malformed"),
        ("/v1/sales/9223372036854775808", StatusCode::BAD_REQUEST, "malformed"),
        ("/v1/sales/%FF", StatusCode::BAD_REQUEST, "malformed"),
        ("/v1/orders/7", StatusCode::NOT_FOUND, "order_not_found"),
        ("/v1/orders/seven", StatusCode::BAD_REQUEST, "malformed"),
        ("/v1/sales?page_size=1001", StatusCode::BAD_REQUEST, "malformed"),
        ("/v1/sales?states=open", StatusCode::BAD_REQUEST, "malformed"),
        ("/v1/sales?after_id=%2B1", StatusCode::BAD_REQUEST, "malformed"),
        ("/v1/sales?limit=1", StatusCode::BAD_REQUEST, "malformed"),
        ("/v1/sales/1/preheat", StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        ("/v2", StatusCode::NOT_FOUND, "route_not_found"),
    ] {
        let (answered, problem) = scene.get(path).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{path}");
    }
    let large = scene.post("/v1/sales", " ".repeat(16 * 1024 + 1)).await;
    assert_eq!((large.0, &large.1["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("body_too_large")));
    let untyped = scene.call(Request::post("/v1/sales").body(Body::from("{}")).unwrap()).await;
    assert_eq!(untyped.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn integers_and_lists_count_however_they_are_written() {
    let scene = Scene::new();
    for (written, wrong) in [
        (r#""stock":1e1"#, None),
        (r#""stock":10.0"#, None),
        (r#""stock":10.5"#, Some("stock")),
        (r#""price_minor":999999999999.0"#, None),
        (r#""price_minor":1e12"#, None),
        (r#""price_minor":1000000000000.0000001"#, Some("price_minor")),
        (r#""closes_at_ms":9223372036854775807.0"#, None),
        (r#""closes_at_ms":9223372036854775808.0"#, Some("closes_at_ms")),
        (r#""deduct_policy":"""#, Some("deduct_policy")),
    ] {
        let defaults = [
            r#""title":"1.0""#,
            r#""price_minor":1"#,
            r#""currency":"EUR""#,
            r#""opens_at_ms":1.0"#,
            r#""closes_at_ms":2e0"#,
            r#""stock":10"#,
            r#""limit_per_buyer":1"#,
        ];
        let name = written.split(':').next().unwrap();
        let others = defaults.into_iter().filter(|field| !field.starts_with(name));
        let body = format!("{{{}}}", others.chain([written]).collect::<Vec<_>>().join(","));
        let (status, told) = scene.post("/v1/sales", body).await;
        match wrong {
            None => assert_eq!(
                (status, &told["title"]),
                (StatusCode::CREATED, &json!("1.0")),
                "{written}: {told}"
            ),
            Some(field) => {
                assert_eq!(
                    (status, &told["field"]),
                    (StatusCode::BAD_REQUEST, &json!(field)),
                    "{written}: {told}"
                );
            }
        }
    }
    let (status, listed) = scene.get("/v1/sales?states=created%2Cclosed&page_size=3").await;
    assert_eq!((status, listed["sales"].as_array().map(Vec::len)), (StatusCode::OK, Some(3)));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_not_waited_for() {
    let scene = Scene::new();
    let endless = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let (status, problem) = scene.post("/v1/sales", endless).await;
    assert_eq!((status, &problem["code"]), (StatusCode::REQUEST_TIMEOUT, &json!("body_timeout")));
}

#[tokio::test]
async fn each_change_of_a_sale_is_announced() {
    let scene = Scene::new();
    let announced = |events: &[Event]| {
        matches!(events, [Event::Published { topic, key, body, .. }]
            if topic == "t-sales" && key == "1" && body::decode_sale_event(body.clone()).is_ok())
    };
    for (path, body, status, state) in [
        ("/v1/sales", form().to_string(), StatusCode::CREATED, "created"),
        ("/v1/sales/1/preheat", String::new(), StatusCode::OK, "preheating"),
        ("/v1/sales/1/close", String::new(), StatusCode::OK, "closed"),
    ] {
        let (answered, sale) = scene.post(path, body).await;
        assert_eq!(
            (answered, &sale["sale_id"], &sale["state"]),
            (status, &json!("1"), &json!(state)),
            "{path}"
        );
        assert!(announced(&scene.bus.events()), "{path}");
    }
    let (status, problem) = scene.post("/v1/sales/1/preheat", "").await;
    assert_eq!((status, &problem["code"]), (StatusCode::GONE, &json!("ended")));
}

#[tokio::test]
async fn a_worker_is_ready_when_store_and_broker_answer() {
    let scene = Scene::new();
    assert_eq!(scene.get("/healthz/live").await.0, StatusCode::OK);
    assert_eq!(scene.get("/healthz/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    scene.health.store(true);
    scene.health.bus(true);
    assert_eq!(scene.get("/healthz/ready").await.0, StatusCode::OK);
    scene.health.shut_down();
    assert_eq!(scene.get("/healthz/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn grpc_tells_the_same() {
    let scene = Scene::new();
    let channel = scene.channel().await;
    let mut sales = SaleServiceClient::new(channel.clone());
    let mut preheats = PreheatServiceClient::new(channel.clone());

    let form = CreateSaleRequest {
        title: "A".to_owned(),
        price_minor: 100,
        currency: "EUR".to_owned(),
        opens_at_ms: 1,
        closes_at_ms: 2,
        stock: 500,
        limit_per_buyer: 2,
        ..CreateSaleRequest::default()
    };
    let sale = sales.create_sale(form.clone()).await.unwrap().into_inner();
    assert_eq!((sale.sale_id, sale.state.as_str(), sale.quantity_max), (1, "created", 2));

    let wrong = sales.create_sale(CreateSaleRequest { stock: 0, ..form }).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert_eq!(wrong.get_details_bad_request().unwrap().field_violations[0].field, "stock");
    assert_eq!(wrong.get_details_error_info().unwrap().reason, "malformed");

    let early = preheats.confirm_preheat(ConfirmPreheatRequest { sale_id: 1, generation: 1 }).await;
    assert_eq!(early.unwrap_err().code(), Code::FailedPrecondition);
    sales.preheat_sale(PreheatSaleRequest { sale_id: 1 }).await.unwrap();
    let confirmed =
        preheats.confirm_preheat(ConfirmPreheatRequest { sale_id: 1, generation: 1 }).await.unwrap();
    assert_eq!(confirmed.into_inner().state, "preheated");

    let page = ListSalesRequest { states: vec!["preheated".to_owned()], ..ListSalesRequest::default() };
    assert_eq!(sales.list_sales(page).await.unwrap().into_inner().sales.len(), 1);
    let missing = sales.get_sale(GetSaleRequest { sale_id: 9 }).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let impossible = sales.get_sale(GetSaleRequest { sale_id: u64::MAX }).await.unwrap_err();
    assert_eq!(impossible.code(), Code::InvalidArgument);

    let mut orders = OrderServiceClient::new(channel);
    let unknown = orders.find_order(FindOrderRequest { order_id: "7".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.get_details_error_info().unwrap().reason, "order_not_found");
}

#[tokio::test]
async fn a_key_makes_a_creation_repeatable_over_both_protocols() {
    let scene = Scene::new();
    let mut sales = SaleServiceClient::new(scene.channel().await);
    let form = CreateSaleRequest {
        title: "A".to_owned(),
        price_minor: 100,
        currency: "EUR".to_owned(),
        opens_at_ms: 1,
        closes_at_ms: 2,
        stock: 500,
        limit_per_buyer: 2,
        idempotency_key: "tonight".to_owned(),
        ..CreateSaleRequest::default()
    };
    assert_eq!(sales.create_sale(form.clone()).await.unwrap().into_inner().sale_id, 1);
    assert_eq!(sales.create_sale(form.clone()).await.unwrap().into_inner().sale_id, 1);
    let other = sales.create_sale(CreateSaleRequest { stock: 501, ..form.clone() }).await.unwrap_err();
    assert_eq!((other.code(), other.message().contains("sale 1")), (Code::AlreadyExists, true), "{other:?}");
    let wrong = CreateSaleRequest { idempotency_key: "\u{e9}".to_owned(), ..form };
    let wrong = sales.create_sale(wrong).await.unwrap_err();
    assert_eq!(wrong.get_details_bad_request().unwrap().field_violations[0].field, "idempotency_key");

    let body = json!({ "title": "A", "price_minor": 100, "currency": "EUR", "opens_at_ms": 1, "closes_at_ms": 2,
        "stock": 500, "limit_per_buyer": 2 });
    let create = async |key: &str, body: &Value| {
        let request = Request::post("/v1/sales").header(header::CONTENT_TYPE, "application/json");
        let request = request.header("Idempotency-Key", key).body(Body::from(body.to_string())).unwrap();
        let response = scene.router.clone().oneshot(request).await.unwrap();
        let replayed = response.headers().contains_key("idempotency-replayed");
        let (status, body) = (response.status(), response.into_body().collect().await.unwrap().to_bytes());
        let body: Value = serde_json::from_slice(&body).unwrap();
        (status, replayed, body["sale_id"].as_str().or(body["code"].as_str()).unwrap().to_owned())
    };
    // The same keys, whichever protocol brings them.
    assert_eq!(create("tonight", &body).await, (StatusCode::CREATED, true, "1".to_owned()));
    assert_eq!(create("later", &body).await, (StatusCode::CREATED, false, "2".to_owned()));
    let other = json!({ "title": "B", "price_minor": 100, "currency": "EUR", "opens_at_ms": 1, "closes_at_ms": 2,
        "stock": 500, "limit_per_buyer": 2 });
    assert_eq!(create("later", &other).await, (StatusCode::CONFLICT, false, "sale_key_reused".to_owned()));
    assert_eq!(create("not visible", &body).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_order_is_shown_with_its_batch() {
    let scene = Scene::new();
    let sale = scene.store.create_sale(&draft("A", 10).unwrap(), NOW).await.unwrap().id;
    let batch = singles(1, sale, 2).unwrap();
    scene.store.apply(std::slice::from_ref(&batch), NOW).await.unwrap();
    let (status, order) = scene.get(&format!("/v1/orders/{}", batch.id().order(1).unwrap())).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&order["state"], &order["batch_id"]), (&json!("confirmed"), &json!(batch.id().to_string())));
}

#[tokio::test]
async fn buyers_of_a_sale_are_listed_and_a_wrong_page_is_named() {
    let scene = Scene::new();
    let sale = scene.store.create_sale(&draft("A", 10).unwrap(), NOW).await.unwrap().id;
    scene.store.apply(&[singles(1, sale, 3).unwrap()], NOW).await.unwrap();
    let mut books = OrderStoreServiceClient::new(scene.channel().await);
    let page = |after: &str, page_size| ListBuyersRequest {
        sale_id: sale.get(),
        after_buyer_id: after.to_owned(),
        page_size,
    };
    let told = books.list_buyers(page("buyer-1-0", 1)).await.unwrap().into_inner().buyers;
    assert_eq!(told, [BuyerUnits { buyer_id: "buyer-1-1".to_owned(), units: 1 }]);
    assert_eq!(books.list_buyers(page("", 0)).await.unwrap().into_inner().buyers.len(), 3);
    let no_sale = ListBuyersRequest { sale_id: 0, ..ListBuyersRequest::default() };
    for (request, field) in
        [(page("not visible", 1), "after_buyer_id"), (page("", 20_001), "page_size"), (no_sale, "sale_id")]
    {
        let wrong = books.list_buyers(request).await.unwrap_err();
        assert_eq!(wrong.code(), Code::InvalidArgument, "{field}");
        assert_eq!(wrong.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
}

/// The field that an error names, over gRPC.
fn wrong_field(status: &tonic::Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    status.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

#[tokio::test]
async fn an_order_is_cancelled_over_http_and_its_events_are_listed() {
    let scene = Scene::new();
    let sale = scene.store.create_sale(&draft("A", 10).unwrap(), NOW).await.unwrap().id;
    let batch = singles(1, sale, 2).unwrap();
    scene.store.apply(std::slice::from_ref(&batch), NOW).await.unwrap();
    let order = batch.id().order(1).unwrap();
    let (cancel, events) = (format!("/v1/orders/{order}/cancel"), format!("/v1/orders/{order}/events"));
    let long = "\u{eb}".repeat(501);
    for (body, field) in [
        (json!({}), "operator"),
        (json!({ "operator": "" }), "operator"),
        (json!({ "operator": "a\nb" }), "operator"),
        (json!({ "operator": "a".repeat(129) }), "operator"),
        (json!({ "operator": 7 }), "operator"),
        (json!({ "operator": "zoe", "cause": "" }), "cause"),
        (json!({ "operator": "zoe", "cause": "\u{7}" }), "cause"),
        (json!({ "operator": "zoe", "cause": long }), "cause"),
        (json!({ "operator": "zoe", "buyer_id": "ada" }), "buyer_id"),
    ] {
        let (status, problem) = scene.post(&cancel, body.to_string()).await;
        let told = (status, &problem["code"], &problem["field"]);
        assert_eq!(told, (StatusCode::BAD_REQUEST, &json!("malformed"), &json!(field)), "{body}");
    }
    let untyped = scene.call(Request::post(&cancel).body(Body::from("{}")).unwrap()).await;
    assert_eq!(untyped.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let form = json!({ "operator": "zoe", "cause": "asked by phone" }).to_string();
    for path in ["/v1/orders/7/cancel", "/v1/orders/7/events"] {
        let (status, problem) = match path.ends_with("cancel") {
            true => scene.post(path, form.clone()).await,
            false => scene.get(path).await,
        };
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("order_not_found")), "{path}");
    }
    assert_eq!(scene.get(&events).await, (StatusCode::OK, json!({ "events": [] })));

    for _time in 0..2 {
        let (status, told) = scene.post(&cancel, form.clone()).await;
        let cancelled = (&told["state"], &told["cancel_reason"], &told["version"]);
        assert_eq!(cancelled, (&json!("cancelled"), &json!("by_operator"), &json!(2)), "{told}");
        assert_eq!((status, &told["order_id"]), (StatusCode::OK, &json!(order.to_string())));
    }
    let (status, told) = scene.get(&events).await;
    assert_eq!((status, told["events"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)), "{told}");
    let event = &told["events"][0];
    assert_eq!((&event["actor"], &event["cause"]), (&json!("operator:zoe"), &json!("asked by phone")));
    assert_eq!(scene.get(&cancel).await.0, StatusCode::METHOD_NOT_ALLOWED);

    let publisher = scene.publisher.lock().take().unwrap();
    let leave = CancellationToken::new();
    leave.cancel();
    publisher.run(leave).await;
    assert!(
        matches!(scene.bus.events().as_slice(), [Event::Published { topic, .. }] if topic == "t-lifecycle"),
        "one event for two requests"
    );
}

#[tokio::test]
async fn an_order_is_cancelled_over_grpc_by_its_buyer_or_by_an_operator() {
    let scene = Scene::new();
    let sale = scene.store.create_sale(&draft("A", 10).unwrap(), NOW).await.unwrap().id;
    let batch = singles(1, sale, 3).unwrap();
    scene.store.apply(std::slice::from_ref(&batch), NOW).await.unwrap();
    let mut orders = OrderServiceClient::new(scene.channel().await);
    let ask = |place: usize, buyer: &str, operator: &str, cause: &str| CancelStoredOrderRequest {
        order_id: batch.id().order(place).unwrap().to_string(),
        buyer_id: buyer.to_owned(),
        operator: operator.to_owned(),
        cause: cause.to_owned(),
    };
    for (request, field) in [
        (ask(0, "buyer-1-0", "zoe", ""), "operator"),
        (ask(0, "", "", ""), "operator"),
        (ask(0, "", "a\nb", ""), "operator"),
        (ask(0, "not visible", "", ""), "buyer_id"),
        (ask(0, "", "zoe", "two\nlines"), "cause"),
        (CancelStoredOrderRequest { order_id: "x".to_owned(), ..ask(0, "", "zoe", "") }, "order_id"),
    ] {
        let wrong = orders.cancel_order(request.clone()).await.unwrap_err();
        assert_eq!(wrong_field(&wrong), field, "{request:?}");
    }
    let other = orders.cancel_order(ask(0, "buyer-1-1", "", "")).await.unwrap_err();
    assert_eq!(
        (other.code(), other.get_details_error_info().unwrap().reason),
        (Code::NotFound, "order_not_found".to_owned())
    );

    for (place, buyer, operator, reason) in
        [(0, "buyer-1-0", "", "by_buyer"), (1, "", "zoe", "by_operator"), (1, "buyer-1-1", "", "by_operator")]
    {
        let told = orders.cancel_order(ask(place, buyer, operator, "")).await.unwrap().into_inner();
        assert_eq!(
            (told.state.as_str(), told.cancel_reason.as_str(), told.version),
            ("cancelled", reason, 2)
        );
        let again = FindOrderRequest { order_id: told.order_id.clone() };
        assert_eq!(orders.find_order(again).await.unwrap().into_inner(), told);
    }
    let events = ListOrderEventsRequest { order_id: batch.id().order(1).unwrap().to_string() };
    let told = orders.list_order_events(events).await.unwrap().into_inner().events;
    assert_eq!(told.iter().map(|event| event.actor.as_str()).collect::<Vec<_>>(), ["operator:zoe"]);
    let unknown = ListOrderEventsRequest { order_id: "7".to_owned() };
    assert_eq!(orders.list_order_events(unknown).await.unwrap_err().code(), Code::NotFound);
}
