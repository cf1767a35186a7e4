//! More than a connection, a request or a process is made for: bursts of cancelled streams, heads without end, more
//! connections than files.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{net::SocketAddr, time::Duration};

use flashgate_tests::{
    Deployment, Purchase, SaleForm, eventually,
    metrics::Metrics,
    raw_http2::{Post, RawHttp2},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Far more than any answer here takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// A connection is held open without a request for longer than a test takes.
const HEADER_TIMEOUT_MS: u32 = 120_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_cancelled_streams_leaves_everybody_elses_purchases_alone() {
    let shop = Deployment::of("cancelled").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    let path = format!("/v1/sales/{sale}/orders");
    let mut peer = RawHttp2::connect(shop.gateways[0].http()).await;
    for round in 0..3 {
        let keys = [format!("before-{round}"), format!("after-{round}")];
        let buy = |key| Post {
            path: &path,
            headers: vec![
                ("content-type", "application/json"),
                ("x-buyer-id", "many"),
                ("idempotency-key", key),
            ],
            body: br#"{"quantity":1}"#,
        };
        let (before, first) = peer.open(&buy(keys[0].as_str()));
        // What gives up wants nothing: no sale.
        let given_up = Post { path: "/v1/sales/0/orders", ..buy("never") };
        let burst = peer.cancelled(&given_up, 500);
        let (after, last) = peer.open(&buy(keys[1].as_str()));
        peer.send(&[first, burst, last].concat()).await;
        for id in [before, after] {
            let answer: Value = serde_json::from_slice(&peer.answer(id).await).unwrap();
            assert_eq!(answer["status"], "accepted", "{answer}");
        }
    }
    let [gateway, worker] = [&shop.gateways[0].operator(), &shop.workers[0].address()];
    for (address, path) in [
        (&shop.gateways[0].grpc(), "/flashgate.v1.PurchaseService/GetOrder"),
        (gateway, "/flashgate.v1.LedgerService/SnapshotSale"),
        (worker, "/flashgate.v1.SaleService/GetSale"),
    ] {
        let mut peer = RawHttp2::connect(*address).await;
        let headers = vec![("content-type", "application/grpc"), ("te", "trailers")];
        let call = Post { path, headers, body: &[0; 5] };
        let burst = peer.cancelled(&call, 500);
        let (last, open) = peer.open(&call);
        peer.send(&[burst, open].concat()).await;
        // Refused, by an answer on its own stream.
        assert_eq!(peer.answer(last).await, b"", "{path}");
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_with_too_many_fields_is_answered_at_every_port() {
    let shop = Deployment::of("many-fields").start().await;
    let gateway = &shop.gateways[0];
    let fields: String = (0..150).map(|number| format!("x-{number}: 1\r\n")).collect();
    for address in [gateway.http(), gateway.grpc(), gateway.operator(), shop.workers[0].address()] {
        let mut peer = TcpStream::connect(address).await.unwrap();
        peer.write_all(format!("GET /healthz/live HTTP/1.1\r\nhost: x\r\n{fields}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, peer.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        assert!(head.starts_with("HTTP/1.1 431 ") && head.contains("application/problem+json"), "{head}");
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&problem["code"], &problem["retry_safe"]), (&"head_too_large".into(), &false.into()));
    }
    shop.stop().await;
}

/// A connection that has had an answer and stays.
async fn served(address: SocketAddr) -> TcpStream {
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(b"GET /healthz/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    peer.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    peer
}

async fn start_with_files(shop: &mut Deployment, soft: u32, hard: u32) {
    shop.gateways[0].process.limit_files(soft, hard);
    shop.workers[0].start();
    shop.gateways[0].start();
    shop.workers[0].ready().await;
    shop.gateways[0].ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_soft_limit_of_open_files_does_not_limit_a_gateway() {
    const CONNECTIONS: u32 = 600;
    let mut shop = Deployment::of("files-soft")
        .gateway_setting("listen.limits.header_timeout_ms", HEADER_TIMEOUT_MS)
        .prepare()
        .await;
    start_with_files(&mut shop, 256, 2_048).await;
    let mut open = Vec::new();
    for number in 0..CONNECTIONS {
        let peer = timeout(PATIENCE, served(shop.gateways[0].http())).await;
        open.push(peer.unwrap_or_else(|_late| panic!("connection {number} is not served")));
    }
    let metrics = Metrics::of(shop.gateways[0].operator()).await;
    assert!(metrics.sum("flashgate_connections", &[("listener", "http")]) >= f64::from(CONNECTIONS));
    drop(open);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buyers_without_end_leave_files_to_operators_and_to_the_ledger() {
    const FILES: u32 = 256;
    let mut shop = Deployment::of("files-hard")
        .own_redis()
        .gateway_setting("listen.limits.header_timeout_ms", HEADER_TIMEOUT_MS)
        .prepare()
        .await;
    start_with_files(&mut shop, FILES, FILES).await;
    assert!(shop.gateways[0].process.log().contains("the limit of open files is too low"));
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    let door = shop.gateways[0].door();
    let buy = async |key: &str| door.buy(&Purchase::new(sale, "early", key, 1)).await;
    assert!(buy("first").await.order().is_some());

    // Each is taken by the kernel, whatever the gateway does.
    let mut flood = Vec::new();
    for _ in 0..2 * FILES {
        let mut peer = TcpStream::connect(shop.gateways[0].http()).await.unwrap();
        peer.write_all(b"GET /healthz/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        flood.push(peer);
    }
    let open = eventually("all places are taken", PATIENCE, async || {
        let metrics = timeout(PATIENCE, Metrics::of(shop.gateways[0].operator())).await;
        let metrics = metrics.expect("operators are served");
        let listener = [("listener", "http")];
        let (open, max) = (
            metrics.sum("flashgate_connections", &listener),
            metrics.sum("flashgate_connections_max", &listener),
        );
        (open + 1.0 >= max).then_some(open).ok_or_else(|| format!("{open} of {max}"))
    })
    .await;
    assert!((32.0..f64::from(FILES)).contains(&open), "{open}");

    // Connections to the ledger are made anew, and who was there before the flood still buys.
    let redis = shop.redis.as_mut().unwrap();
    redis.process.kill().await;
    redis.restart().await;
    eventually("the ledger is reached again", PATIENCE, async || {
        let answer = buy("second").await;
        answer.order().map(drop).ok_or_else(|| format!("{answer:?}"))
    })
    .await;
    drop(flood);
    let late = Purchase::new(sale, "late", "late-1", 1);
    let answer = timeout(PATIENCE, async { shop.gateways[0].door().buy(&late).await }).await.unwrap();
    assert!(answer.order().is_some(), "{answer:?}");
    shop.stop().await;
}
