//! The table of gRPC.

use std::collections::HashMap;

use bytes::Bytes;
use flashgate_proto::v1::{
    BuyRequest, BuyStreamRequest, GetOrderRequest, buy_stream_response::Answer as Streamed,
};
use flashgate_tests::{Door, raw_grpc::RawGrpc};
use tokio_stream::iter;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataKey, MetadataValue},
};
use tonic_types::StatusExt;

use super::{QUANTITY_MAX, Scene, report};

/// The exact answer. None of them says that a retry could help.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    code: Code,
    /// The reason of the `ErrorInfo`; `None` where gRPC itself answers.
    reason: Option<&'static str>,
    field: Option<&'static str>,
}

const fn told(code: Code, reason: &'static str) -> Told {
    Told { code, reason: Some(reason), field: None }
}

const fn malformed(field: &'static str) -> Told {
    Told { field: Some(field), ..told(Code::InvalidArgument, "malformed") }
}

const NOBODY: Told = Told { field: Some("x-buyer-id"), ..told(Code::Unauthenticated, "unauthenticated") };
const NO_SALE: Told = told(Code::NotFound, "sale_not_found");
const NO_ORDER: Told = told(Code::NotFound, "order_not_found");
const TOO_LARGE: Told = told(Code::InvalidArgument, "body_too_large");
const NO_METHOD: Told = Told { code: Code::Unimplemented, reason: None, field: None };

#[derive(Clone, Debug)]
enum Message {
    Buy(BuyRequest),
    GetOrder(GetOrderRequest),
    /// Messages as bytes, to that method.
    Raw(&'static str, Vec<Bytes>),
}

/// A call that a row spoils in one place.
#[derive(Clone, Debug)]
struct Ask {
    metadata: Vec<(&'static str, Vec<u8>)>,
    message: Message,
}

type Row = (String, Ask, Told);

impl Ask {
    fn of(message: Message) -> Self {
        Self { metadata: vec![("x-buyer-id", b"mallory".to_vec())], message }
    }

    fn get(order: &str) -> Self {
        Self::of(Message::GetOrder(GetOrderRequest { order_id: order.to_owned() }))
    }

    fn raw(path: &'static str, messages: &[&[u8]]) -> Self {
        let messages = messages.iter().map(|message| Bytes::copy_from_slice(message)).collect();
        Self::of(Message::Raw(path, messages))
    }

    fn without(mut self, name: &str) -> Self {
        self.metadata.retain(|(present, _value)| *present != name);
        self
    }

    fn and(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.metadata.push((name, value.into()));
        self
    }

    fn with(self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.without(name).and(name, value)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.metadata {
            let value: MetadataValue<Ascii> = MetadataValue::try_from(value.as_slice()).unwrap();
            request.metadata_mut().append(MetadataKey::from_static(name), value);
        }
        request
    }

    /// The error that comes back.
    async fn send(&self, door: &Door, raw: &RawGrpc) -> Status {
        let mut grpc = door.grpc();
        let failed = match &self.message {
            Message::Buy(buy) => {
                grpc.buy(self.request(buy.clone())).await.map(|bought| format!("{bought:?}"))
            }
            Message::GetOrder(get) => {
                grpc.get_order(self.request(get.clone())).await.map(|order| format!("{order:?}"))
            }
            Message::Raw(path, messages) => {
                let sent = raw.call(path, self.request(iter(messages.clone()))).await;
                sent.map(|answer| format!("{answer:?}"))
            }
        };
        failed.expect_err("an error")
    }
}

fn metadata_rows(good: &Ask, name: &'static str, bytes_max: usize, answer: Told) -> Vec<Row> {
    let spoilt: [(&str, Ask); 5] = [
        ("empty", good.clone().with(name, "")),
        ("too long", good.clone().with(name, "x".repeat(bytes_max + 1))),
        ("not ASCII", good.clone().with(name, "schl\u{fc}ssel")),
        ("with a blank", good.clone().with(name, "two words")),
        ("repeated", good.clone().with(name, "one").and(name, "another")),
    ];
    spoilt.into_iter().map(|(how, ask)| (format!("{name} {how}"), ask, answer)).collect()
}

fn buy_rows(good: &BuyRequest) -> Vec<Row> {
    let of = |buy: BuyRequest| Ask::of(Message::Buy(buy));
    let keyless = BuyRequest { idempotency_key: String::new(), ..good.clone() };
    let mut rows = metadata_rows(&of(good.clone()), "x-buyer-id", 128, NOBODY);
    rows.push(("x-buyer-id missing".to_owned(), of(good.clone()).without("x-buyer-id"), NOBODY));
    rows.extend(metadata_rows(&of(keyless.clone()), "idempotency-key", 255, malformed("idempotency-key")));
    let other_key = of(good.clone()).and("idempotency-key", "another");
    rows.push(("key unlike the metadata's".to_owned(), other_key, malformed("idempotency_key")));
    rows.push(("no key at all".to_owned(), of(keyless), malformed("idempotency_key")));
    for key in ["x".repeat(256), "schl\u{fc}ssel".to_owned(), "two words".to_owned(), "\n".to_owned()] {
        let buy = BuyRequest { idempotency_key: key.clone(), ..good.clone() };
        rows.push((format!("key {key:?}"), of(buy), malformed("idempotency_key")));
    }
    for (sale_id, answer) in [
        (0, malformed("sale_id")),
        (1 << 63, malformed("sale_id")),
        (u64::MAX, malformed("sale_id")),
        (999_999_999, NO_SALE),
        ((1 << 63) - 1, NO_SALE),
    ] {
        rows.push((format!("sale {sale_id}"), of(BuyRequest { sale_id, ..good.clone() }), answer));
    }
    for quantity in [0, QUANTITY_MAX + 1, 1_000_001, u32::MAX] {
        let buy = BuyRequest { quantity, ..good.clone() };
        rows.push((format!("quantity {quantity}"), of(buy), malformed("quantity")));
    }
    rows
}

fn order_rows(alices_order: &str) -> Vec<Row> {
    let own = Ask::get(alices_order).with("x-buyer-id", "alice");
    let mut rows = metadata_rows(&own, "x-buyer-id", 128, NOBODY);
    for id in ["", "0", "-1", "+1", "01", "1.0", "abc", " 1", "9223372036854775808", "\u{661}"] {
        rows.push((format!("order {id:?}"), Ask::get(id), malformed("order_id")));
    }
    rows.push(("no such order".to_owned(), Ask::get("4611686018427387904"), NO_ORDER));
    rows.push(("another's order".to_owned(), own.with("x-buyer-id", "mallory"), NO_ORDER));
    rows
}

const BUY: &str = "/flashgate.v1.PurchaseService/Buy";
const GET_ORDER: &str = "/flashgate.v1.PurchaseService/GetOrder";

fn raw_rows() -> Vec<Row> {
    let long = vec![0; 16 * 1_024 + 1];
    let rows: [(&str, Ask, Told); 9] = [
        ("bytes that are no message", Ask::raw(BUY, &[b"\xff\xff\xff\xff\xff\xff"]), malformed("message")),
        // Field 3, the key, as a string of 200 bytes, of which two come.
        ("a message that ends too early", Ask::raw(BUY, &[b"\x1a\xc8\x01ab"]), malformed("message")),
        ("a string that is no UTF-8", Ask::raw(GET_ORDER, &[b"\x0a\x02\xff\xfe"]), malformed("message")),
        ("a number where a string should be", Ask::raw(GET_ORDER, &[b"\x08\x01"]), malformed("message")),
        ("no message at all", Ask::raw(BUY, &[]), malformed("message")),
        ("a message of 16 KiB and one byte", Ask::raw(BUY, &[&long]), TOO_LARGE),
        ("an unknown method", Ask::raw("/flashgate.v1.PurchaseService/Steal", &[b""]), NO_METHOD),
        ("an unknown service", Ask::raw("/flashgate.v1.SaleService/CreateSale", &[b""]), NO_METHOD),
        ("an unknown package", Ask::raw("/nobody/Nothing", &[b""]), NO_METHOD),
    ];
    rows.map(|(name, ask, told)| (name.to_owned(), ask, told)).into()
}

fn good_buy(scene: &Scene) -> BuyRequest {
    BuyRequest { sale_id: scene.sale.get(), quantity: 1, idempotency_key: "a-key-of-its-own".to_owned() }
}

fn heard(status: &Status) -> (Code, Option<String>, Option<String>) {
    let info = status.get_details_error_info();
    if let Some(info) = &info {
        assert_eq!(info.domain, "flashgate");
        assert_eq!(info.metadata, HashMap::from([("retry_safe".to_owned(), "false".to_owned())]));
    }
    let fields = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    assert!(fields.len() <= 1, "{fields:?}");
    (status.code(), info.map(|info| info.reason), fields.into_iter().next().map(|violation| violation.field))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_call_over_grpc_is_named_and_goes_no_further() {
    let scene = Scene::set("bad-grpc").await;
    let (door, raw) = (scene.shop.gateways[0].door(), RawGrpc::new(scene.shop.gateways[0].grpc()));
    let rows = [buy_rows(&good_buy(&scene)), order_rows(&scene.alices_order), raw_rows()].concat();
    let mut wrong = Vec::new();
    for (name, ask, told) in &rows {
        let status = ask.send(&door, &raw).await;
        let (heard, expected) =
            (heard(&status), (told.code, told.reason.map(str::to_owned), told.field.map(str::to_owned)));
        if heard != expected {
            wrong.push(format!("{name}: heard {heard:?}, not {expected:?}: {}", status.message()));
        }
    }
    report(&wrong, rows.len());
    scene.prove_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_in_a_stream_gets_its_own_error_and_the_stream_goes_on() {
    let scene = Scene::set("bad-stream").await;
    let good = good_buy(&scene);
    let good_with = |key: &str| BuyRequest { idempotency_key: key.to_owned(), ..good.clone() };
    let request = |request_id, buyer: &str, buy| BuyStreamRequest {
        request_id,
        buyer_id: buyer.to_owned(),
        buy,
        ..BuyStreamRequest::default()
    };
    let requests = [
        request(1, "carol", Some(good_with("first"))),
        request(2, "", Some(good_with("no-buyer"))),
        request(3, "two words", Some(good_with("no-buyer"))),
        request(4, "carol", None),
        request(5, "carol", Some(good_with(""))),
        request(6, "carol", Some(BuyRequest { quantity: QUANTITY_MAX + 1, ..good.clone() })),
        request(7, "carol", Some(BuyRequest { sale_id: 0, ..good.clone() })),
        request(8, "carol", Some(BuyRequest { sale_id: 999_999_999, ..good.clone() })),
        request(9, "carol", Some(good_with("last"))),
    ];
    let mut grpc = scene.shop.gateways[0].door().grpc();
    let mut answers = grpc.buy_stream(iter(requests)).await.unwrap().into_inner();
    let mut heard = HashMap::new();
    while let Some(response) = answers.message().await.unwrap() {
        let answer = match response.answer.unwrap() {
            Streamed::Accepted(accepted) => format!("accepted, replayed {}", accepted.replayed),
            Streamed::Error(error) => {
                assert!(!error.retry_safe, "{error:?}");
                let field = error.detail.split(' ').next().unwrap_or_default();
                format!("{:?} {} {field}", Code::from(error.grpc_code), error.code)
            }
        };
        assert_eq!(heard.insert(response.request_id, answer), None, "one answer for each request");
    }
    let expected = [
        (1, "accepted, replayed false"),
        (2, "InvalidArgument malformed buyer_id"),
        (3, "InvalidArgument malformed buyer_id"),
        (4, "InvalidArgument malformed buy"),
        (5, "InvalidArgument malformed idempotency_key"),
        (6, "InvalidArgument malformed quantity"),
        (7, "InvalidArgument malformed sale_id"),
        (8, "NotFound sale_not_found there"),
        (9, "accepted, replayed false"),
    ];
    assert_eq!(heard, expected.map(|(id, answer)| (id, answer.to_owned())).into());
    scene.shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_bytes_that_are_no_request_ends_with_an_error_that_says_so() {
    let scene = Scene::set("bad-stream-bytes").await;
    let raw = RawGrpc::new(scene.shop.gateways[0].grpc());
    let path = "/flashgate.v1.PurchaseService/BuyStream";
    let garbage = Request::new(iter([Bytes::from_static(b"\xff\xff\xff\xff\xff\xff")]));
    let mut answers = raw.call_streaming(path, garbage).await.unwrap().into_inner();
    let status = answers.message().await.expect_err("an error");
    let expected = malformed("message");
    let reason = expected.reason.map(str::to_owned);
    assert_eq!(heard(&status), (expected.code, reason, expected.field.map(str::to_owned)), "{status:?}");
    let long = Request::new(iter([Bytes::from(vec![0; 16 * 1_024 + 1])]));
    let mut answers = raw.call_streaming(path, long).await.unwrap().into_inner();
    let status = answers.message().await.expect_err("an error");
    assert_eq!(heard(&status), (TOO_LARGE.code, TOO_LARGE.reason.map(str::to_owned), None), "{status:?}");
    scene.prove_unharmed().await;
}
