//! What operators watch: `/metrics` of real programs right after their start, their memory, and trace contexts across
//! the topics.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{fs, path::PathBuf, time::Duration};

use flashgate_domain::TraceContext;
use flashgate_proto::v1::{BuyRequest, BuyStreamRequest, buy_stream_response};
use flashgate_tests::{Deployment, Door, PaymentProvider, Purchase, SaleForm, eventually, metrics::Metrics};
use futures::stream;
use http::Request;
use http_body_util::Full;
use serde_json::Value;

/// A row of the tables of docs/OPERATIONS.md.
struct Row {
    name: String,
    kind: String,
    /// Each label with the values that are listed; none are of those that are not known beforehand, or too many.
    labels: Vec<(String, Vec<String>)>,
}

/// The rows below a heading, up to the next one.
fn documented(heading: &str) -> Vec<Row> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let text = fs::read_to_string(file).unwrap();
    let (_before, section) = text.split_once(&format!("\n### {heading}\n")).unwrap();
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `flashgate_"));
    let rows = rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let labels = cells[3].split(';').map(str::trim).filter(|label| !label.is_empty());
        let label = |label: &str| {
            let (name, values) = label.split_once(':').unwrap_or((label, ""));
            let values = values.split(',').map(|value| value.trim().to_owned());
            (name.trim_matches('`').to_owned(), values.filter(|value| !value.is_empty()).collect())
        };
        let unticked = |cell: &str| cell.trim_matches('`').to_owned();
        Row { name: unticked(cells[1]), kind: unticked(cells[2]), labels: labels.map(label).collect() }
    });
    let rows: Vec<Row> = rows.collect();
    assert!(!rows.is_empty(), "no metrics below {heading}");
    rows
}

impl Row {
    /// What of it is not there.
    fn missing(&self, metrics: &Metrics) -> Vec<String> {
        // The series of a paused sale are there while one is paused.
        if self.labels.iter().any(|(label, _values)| label == "sale") {
            return Vec::new();
        }
        let series = match self.kind.as_str() {
            "histogram" => format!("{}_count", self.name),
            _ => self.name.clone(),
        };
        let mut missing = Vec::new();
        if !metrics.has_help(&self.name) {
            missing.push(format!("HELP of {}", self.name));
        }
        if !metrics.has(&series, &[]) {
            missing.push(series.clone());
        }
        for (label, values) in &self.labels {
            let absent = values.iter().filter(|value| !metrics.has(&series, &[(label, value)]));
            missing.extend(absent.map(|value| format!("{series}{{{label}={value}}}")));
        }
        missing
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_series_is_there_right_after_the_start() {
    let mut shop = Deployment::of("metrics").prepare().await;
    // Series of payments exist where they are on. The provider is not there.
    PaymentProvider::new(shop.folder(), 1).configure(&mut shop);
    shop.start_all().await;
    for (sections, address) in [
        (["Gateway", "Ledger on Redis"].as_slice(), shop.gateways[0].operator()),
        (["Order worker"].as_slice(), shop.workers[0].address()),
    ] {
        let mut rows: Vec<Row> = sections.iter().flat_map(|section| documented(section)).collect();
        // Not every program measures each of those gauges.
        rows.extend(documented("Both").into_iter().filter(|row| row.kind != "gauge"));
        let metrics = Metrics::of(address).await;
        let counters = rows.iter().filter(|row| row.kind != "gauge");
        let missing: Vec<String> = counters.flat_map(|row| row.missing(&metrics)).collect();
        assert_eq!(missing, [""; 0], "counters and histograms are there from the first moment");
        eventually("gauges are there once they were measured", Duration::from_secs(30), async || {
            let metrics = Metrics::of(address).await;
            let missing: Vec<String> = rows.iter().flat_map(|row| row.missing(&metrics)).collect();
            if missing.is_empty() { Ok(()) } else { Err(missing.join(", ")) }
        })
        .await;
    }
    shop.stop().await;
}

/// Huge pages alone would be more: see `flashgate_service::memory`.
const RESIDENT_KIB_MAX: u64 = 100 * 1_024;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_has_sold_takes_little_memory() {
    let shop = Deployment::of("memory").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    for purchase in Purchase::of_many(sale, "memory", 100) {
        assert!(shop.gateways[0].door().buy(&purchase).await.order().is_some());
    }
    let resident_kib = shop.gateways[0].process.resident_kib();
    assert!(resident_kib < RESIDENT_KIB_MAX, "{resident_kib} KiB");
    shop.stop().await;
}

const STATE: &str = "shop=night-of-the-sale";

fn parent(digit: &str) -> String {
    format!("00-{}-{}-01", digit.repeat(32), digit.repeat(16))
}

/// Waits until the order is confirmed, so that the next one is in another batch and another message of outcomes.
async fn until_confirmed(door: &Door, order: &str, buyer: &str) {
    eventually("it is confirmed", Duration::from_secs(30), async || {
        let seen = door.order(order.parse().unwrap(), buyer).await?;
        if seen.state == "confirmed" { Ok(()) } else { Err(seen.state) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_context_of_a_purchase_is_on_its_batch_and_on_its_outcome() {
    let shop = Deployment::of("traces").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(10)).await;
    let door = shop.gateways[0].door();

    let request = Request::post(format!("/v1/sales/{sale}/orders"))
        .header("content-type", "application/json")
        .header("idempotency-key", "over-http")
        .header("x-buyer-id", "ada")
        .header("traceparent", parent("a"))
        .header("tracestate", STATE);
    let answer = door.http(request.body(Full::from(r#"{"quantity":1}"#)).unwrap()).await.unwrap();
    let accepted: Value = serde_json::from_slice(answer.body()).unwrap();
    until_confirmed(&door, accepted["order_id"].as_str().unwrap(), "ada").await;

    let buy = BuyRequest { sale_id: sale.get(), quantity: 1, idempotency_key: "over-grpc".to_owned() };
    let mut request = tonic::Request::new(buy);
    for (name, value) in [("x-buyer-id", "eve"), ("traceparent", &parent("b"))] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let accepted = door.grpc().buy(request).await.unwrap().into_inner();
    until_confirmed(&door, &accepted.order_id, "eve").await;

    let untraced = door.buy(&Purchase::new(sale, "bob", "untraced", 1)).await;
    until_confirmed(&door, &untraced.order().unwrap().to_string(), "bob").await;

    let buy = BuyRequest { sale_id: sale.get(), quantity: 1, idempotency_key: "over-a-stream".to_owned() };
    let request = BuyStreamRequest {
        request_id: 1,
        buyer_id: "zoe".to_owned(),
        buy: Some(buy),
        traceparent: parent("c"),
        tracestate: STATE.to_owned(),
    };
    let answers = door.grpc().buy_stream(stream::iter([request])).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap().answer;
    let Some(buy_stream_response::Answer::Accepted(accepted)) = answer else { panic!("{answer:?}") };
    until_confirmed(&door, &accepted.order_id, "zoe").await;

    let context = |digit, state: Option<&str>| {
        TraceContext::sampled(parent(digit).as_bytes(), state.map(str::as_bytes))
    };
    for topic in ["orders", "outcomes"] {
        let mut read = shop.broker.read_all(&shop.broker.topic(topic), "traces-reader").await;
        // A batch id begins with the time.
        read.sort_by(|one, other| one.key.cmp(&other.key));
        let found: Vec<_> =
            read.iter().map(|message| TraceContext::of_properties(&message.properties)).collect();
        let expected = [context("a", Some(STATE)), context("b", None), None, context("c", Some(STATE))];
        assert_eq!(found, expected, "{topic}");
    }
    shop.stop().await;
}
