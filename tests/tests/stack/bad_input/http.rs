//! The table of HTTP.

use bytes::Bytes;
use flashgate_tests::door::problem;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;

use super::{QUANTITY_MAX, Scene, report};

/// A request that a row spoils in one place.
#[derive(Clone, Debug)]
struct Ask {
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

impl Ask {
    /// A purchase that would be accepted.
    fn buy(sale: &str) -> Self {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", "a-key-of-its-own"),
            ("x-buyer-id", "mallory"),
        ];
        Self {
            method: Method::POST,
            path: format!("/v1/sales/{sale}/orders"),
            headers: headers.map(|(name, value)| (name, value.into())).to_vec(),
            body: br#"{"quantity":1}"#.to_vec(),
        }
    }

    fn get(path: impl Into<String>) -> Self {
        let headers = vec![("x-buyer-id", b"mallory".to_vec())];
        Self { method: Method::GET, path: path.into(), headers, body: Vec::new() }
    }

    fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _value)| *present != name);
        self
    }

    fn and(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn with(self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.without(name).and(name, value)
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.parse().unwrap();
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
        request
    }
}

/// The exact answer. None of them says that a retry could help.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    status: StatusCode,
    code: &'static str,
    field: Option<&'static str>,
    allow: Option<&'static str>,
}

const fn told(status: StatusCode, code: &'static str) -> Told {
    Told { status, code, field: None, allow: None }
}

const fn malformed(field: &'static str) -> Told {
    Told { field: Some(field), ..told(StatusCode::BAD_REQUEST, "malformed") }
}

const fn allowed(methods: &'static str) -> Told {
    Told { allow: Some(methods), ..told(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed") }
}

const NOBODY: Told = Told { field: Some("x-buyer-id"), ..told(StatusCode::UNAUTHORIZED, "unauthenticated") };
const NO_SALE: Told = told(StatusCode::NOT_FOUND, "sale_not_found");
const NO_ORDER: Told = told(StatusCode::NOT_FOUND, "order_not_found");
const NO_ROUTE: Told = told(StatusCode::NOT_FOUND, "route_not_found");
const NOT_JSON: Told = told(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
const TOO_LARGE: Told = told(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");

type Row = (String, Ask, Told);

/// Headers that name something: the same mistakes with each.
fn header_rows(good: &Ask, name: &'static str, bytes_max: usize, answer: Told) -> Vec<Row> {
    let spoilt: [(&str, Ask); 7] = [
        ("missing", good.clone().without(name)),
        ("empty", good.clone().with(name, "")),
        ("too long", good.clone().with(name, "x".repeat(bytes_max + 1))),
        ("not ASCII", good.clone().with(name, "schl\u{fc}ssel")),
        ("no UTF-8", good.clone().with(name, *b"\xff\xfe")),
        ("with a blank", good.clone().with(name, "two words")),
        ("repeated", good.clone().and(name, "another")),
    ];
    spoilt.into_iter().map(|(how, ask)| (format!("{name} {how}"), ask, answer)).collect()
}

fn body_rows(good: &Ask) -> Vec<Row> {
    let bodies: [(&str, Told); 26] = [
        ("", malformed("body")),
        ("   ", malformed("body")),
        ("{\"quantity\":", malformed("body")),
        ("{\"quantity\":1}}", malformed("body")),
        ("quantity=1", malformed("body")),
        ("[1]", malformed("body")),
        ("[]", malformed("body")),
        ("1", malformed("body")),
        ("null", malformed("body")),
        ("\"quantity\"", malformed("body")),
        ("{\"quantity\":1,\"colour\":\"red\"}", malformed("colour")),
        ("{\"Quantity\":1}", malformed("Quantity")),
        ("{}", malformed("quantity")),
        ("{\"quantity\":0}", malformed("quantity")),
        ("{\"quantity\":-1}", malformed("quantity")),
        ("{\"quantity\":1.5}", malformed("quantity")),
        ("{\"quantity\":1e-1}", malformed("quantity")),
        ("{\"quantity\":\"1\"}", malformed("quantity")),
        ("{\"quantity\":null}", malformed("quantity")),
        ("{\"quantity\":true}", malformed("quantity")),
        ("{\"quantity\":[1]}", malformed("quantity")),
        ("{\"quantity\":{}}", malformed("quantity")),
        ("{\"quantity\":4294967296}", malformed("quantity")),
        ("{\"quantity\":340282366920938463463374607431768211456}", malformed("quantity")),
        ("{\"quantity\":1,\"quantity\":2}", malformed("quantity")),
        ("{\"quantity\":3}", malformed("quantity")),
    ];
    let mut rows: Vec<Row> =
        bodies.map(|(body, answer)| (format!("body {body:?}"), good.clone().body(body), answer)).into();
    let no_utf8 = good.clone().body(*b"{\"quantity\":1,\"\xff\":1}");
    let deep = good.clone().body("[".repeat(16 * 1_024));
    let large = good.clone().body(format!("{:17000}", r#"{"quantity":1}"#));
    rows.push(("body that is no UTF-8".to_owned(), no_utf8, malformed("body")));
    rows.push(("body of 16,384 brackets".to_owned(), deep, malformed("body")));
    rows.push(("body of 17,000 bytes".to_owned(), large, TOO_LARGE));
    for kind in ["text/plain", "application/jsonx", "application/x-www-form-urlencoded", ""] {
        rows.push((format!("content-type {kind:?}"), good.clone().with("content-type", kind), NOT_JSON));
    }
    rows.push(("no content-type".to_owned(), good.clone().without("content-type"), NOT_JSON));
    rows
}

/// Texts that are no id, in a path.
const NO_IDS: [&str; 14] = [
    "0",
    "-1",
    "+1",
    "01",
    "1.0",
    "abc",
    "0x1",
    "9223372036854775808",
    "18446744073709551616",
    "%FF",
    "%00",
    "1%20",
    "%2e%2e",
    "1;2",
];

fn id_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for id in NO_IDS {
        rows.push((format!("buy of sale {id}"), Ask::buy(id), malformed("sale_id")));
        rows.push((format!("sale {id}"), Ask::get(format!("/v1/sales/{id}")), malformed("sale_id")));
        rows.push((format!("order {id}"), Ask::get(format!("/v1/orders/{id}")), malformed("order_id")));
    }
    for (query, field) in [
        ("before_id=x", "before_id"),
        ("before_id=", "before_id"),
        ("page_size=101", "page_size"),
        ("sale_id=1", "sale_id"),
    ] {
        rows.push((format!("orders?{query}"), Ask::get(format!("/v1/orders?{query}")), malformed(field)));
    }
    for id in ["999999999", "9223372036854775807"] {
        rows.push((format!("buy of sale {id}"), Ask::buy(id), NO_SALE));
        rows.push((format!("sale {id}"), Ask::get(format!("/v1/sales/{id}")), NO_SALE));
        rows.push((format!("order {id}"), Ask::get(format!("/v1/orders/{id}")), NO_ORDER));
    }
    rows
}

fn route_rows(good: &Ask) -> Vec<Row> {
    let path = |path: &str| (format!("path {path}"), Ask::get(path), NO_ROUTE);
    let mut rows: Vec<Row> =
        ["/", "/v1", "/v1/sales", "/v1/sales/", "/v2/sales/1", "/v1/orders/1/", "/metrics"].map(path).into();
    rows.push(("no sale in the path".to_owned(), Ask::buy(""), malformed("sale_id")));
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        rows.push((format!("{method} of orders"), good.clone().method(method), allowed("POST")));
    }
    for method in [Method::POST, Method::DELETE] {
        for path in ["/v1/orders", "/v1/orders/1", "/v1/sales/1"] {
            rows.push((
                format!("{method} {path}"),
                Ask::get(path).method(method.clone()),
                allowed("GET,HEAD"),
            ));
        }
    }
    rows
}

fn rows(scene: &Scene) -> Vec<Row> {
    assert_eq!(QUANTITY_MAX, 2, "a body asks for 3");
    let good = Ask::buy(&scene.sale.to_string());
    let own_order = Ask::get(format!("/v1/orders/{}", scene.alices_order)).with("x-buyer-id", "alice");
    [
        header_rows(&good, "idempotency-key", 255, malformed("idempotency-key")),
        header_rows(&good, "x-buyer-id", 128, NOBODY),
        header_rows(&own_order, "x-buyer-id", 128, NOBODY),
        header_rows(&Ask::get("/v1/orders"), "x-buyer-id", 128, NOBODY),
        body_rows(&good),
        id_rows(),
        route_rows(&good),
        vec![("another's order".to_owned(), own_order.with("x-buyer-id", "mallory"), NO_ORDER)],
    ]
    .concat()
}

fn heard(response: &Response<Bytes>) -> (StatusCode, String, Option<String>, Option<String>, bool) {
    let problem = problem(response);
    let allow = response.headers().get(header::ALLOW).map(|value| value.to_str().unwrap().to_owned());
    assert!(!response.headers().contains_key(header::RETRY_AFTER), "{response:?}");
    assert!(!problem.detail.is_empty());
    (response.status(), problem.code, problem.field, allow, problem.retry_safe)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_over_http_is_named_and_goes_no_further() {
    let scene = Scene::set("bad-http").await;
    let door = scene.shop.gateways[0].door();
    let rows = rows(&scene);
    let mut wrong = Vec::new();
    for (name, ask, told) in &rows {
        let response = door.http(ask.request()).await.unwrap_or_else(|lost| panic!("{name}: {lost}"));
        let heard = heard(&response);
        let expected = (
            told.status,
            told.code.to_owned(),
            told.field.map(str::to_owned),
            told.allow.map(str::to_owned),
            false,
        );
        if heard != expected {
            wrong.push(format!("{name}: heard {heard:?}, not {expected:?}"));
        }
    }
    report(&wrong, rows.len());
    scene.prove_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_someone_else_looks_like_none() {
    let scene = Scene::set("others-order").await;
    let door = scene.shop.gateways[0].door();
    let ask = |order: &str| Ask::get(format!("/v1/orders/{order}")).request();
    let others = door.http(ask(&scene.alices_order)).await.unwrap();
    let none = door.http(ask("4611686018427387904")).await.unwrap();
    assert_eq!(others.status(), StatusCode::NOT_FOUND);
    assert_eq!((others.status(), others.body()), (none.status(), none.body()));
    let names = |response: &Response<Bytes>| -> Vec<_> { response.headers().keys().cloned().collect() };
    assert_eq!(names(&others), names(&none));
    scene.shop.stop().await;
}
