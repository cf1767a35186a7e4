//! Peers that are slow, silent, or too many.

use std::{net::SocketAddr, time::Duration};

use flashgate_proto::v1::{BuyRequest, BuyStreamRequest};
use flashgate_tests::{Deployment, Purchase, SaleForm, eventually, raw_grpc::RawGrpc};
use futures::{future::join_all, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};
use tonic_types::StatusExt;

/// What the tests set instead of 10 s.
const TIMEOUT: Duration = Duration::from_millis(800);
/// A peer that is to be cut off after [`TIMEOUT`] and still is not after this time has been forgotten.
const PATIENCE: Duration = Duration::from_secs(8);

async fn shop(name: &str) -> Deployment {
    let timeout_ms = TIMEOUT.as_millis();
    Deployment::of(name)
        .gateway_setting("listen.limits.header_timeout_ms", timeout_ms)
        .gateway_setting("listen.body_timeout_ms", timeout_ms)
        .gateway_setting("listen.limits.connections_max", 8)
        .worker_setting("operator.body_timeout_ms", timeout_ms)
        .start()
        .await
}

/// Sends `bytes`, then nothing more; returns what came back until the other side closed.
async fn falls_silent_after(address: SocketAddr, bytes: &[u8]) -> (String, Duration) {
    let mut peer = TcpStream::connect(address).await.unwrap();
    let started = Instant::now();
    peer.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let closed = timeout(PATIENCE, peer.read_to_end(&mut answer)).await;
    // A reset closes it as well.
    drop(closed.unwrap_or_else(|_late| {
        panic!("still open after {PATIENCE:?}: {:?}", String::from_utf8_lossy(bytes))
    }));
    (String::from_utf8_lossy(&answer).into_owned(), started.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_finish_a_head_or_sends_none_is_cut_off() {
    let shop = shop("slow-head").await;
    let gateway = &shop.gateways[0];
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let (half_head, half_preface) = (b"POST /v1/sales/1/orders HTTP/1.1\r\nhost: x\r\nx-bu", &preface[..9]);
    for address in [gateway.http(), gateway.grpc(), gateway.operator()] {
        let peers = [&half_head[..], b"", b"P", b"POST", half_preface, preface];
        for (answer, lasted) in join_all(peers.map(|sent| falls_silent_after(address, sent))).await {
            assert!(!answer.contains("HTTP/1.1 2"), "{answer}");
            assert!(lasted >= TIMEOUT / 2, "cut off too early: {lasted:?}");
        }
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_idles_after_a_request_is_closed() {
    let shop = shop("idle").await;
    let request = b"GET /healthz/live HTTP/1.1\r\nhost: x\r\n\r\n";
    let (answer, _lasted) = falls_silent_after(shop.gateways[0].http(), request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stalls_gets_408_and_loses_its_connection() {
    let shop = shop("slow-body").await;
    let sale = shop.open_sale(SaleForm::of_stock(10)).await;
    let head = format!(
        "POST /v1/sales/{sale}/orders HTTP/1.1\r\nhost: x\r\nx-buyer-id: slow\r\nidempotency-key: slow-1\r\n\
         content-type: application/json\r\ncontent-length: 14\r\n\r\n"
    );
    for part in ["", "{\"quantity\""] {
        let (answer, lasted) =
            falls_silent_after(shop.gateways[0].http(), format!("{head}{part}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(
            answer.contains("\"code\":\"body_timeout\"") && answer.contains("\"retry_safe\":true"),
            "{answer}"
        );
        assert!(lasted >= TIMEOUT / 2, "{lasted:?}");
    }
    assert_eq!(shop.store.orders(sale).await, []);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_message_stalls_ends_and_a_stream_of_requests_may_pause() {
    let shop = shop("slow-call").await;
    let sale = shop.open_sale(SaleForm::of_stock(10)).await;
    let gateway = &shop.gateways[0];
    for (address, method) in [
        (gateway.grpc(), "/flashgate.v1.PurchaseService/Buy"),
        (gateway.operator(), "/flashgate.v1.LedgerService/SnapshotSale"),
        (shop.workers[0].address(), "/flashgate.v1.SaleService/ListSales"),
    ] {
        let mut stalled = Request::new(stream::pending());
        stalled.metadata_mut().insert("x-buyer-id", "slow".parse().unwrap());
        let stalls = timeout(PATIENCE, RawGrpc::new(address).call(method, stalled)).await;
        let status = stalls.expect("it is not held for ever").expect_err("no message came");
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (status.code(), info.reason.as_str()),
            (Code::DeadlineExceeded, "body_timeout"),
            "{method}"
        );
        assert_eq!(info.metadata["retry_safe"], "true");
    }

    let (requests, sent) = mpsc::channel(1);
    let mut grpc = shop.gateways[0].door().grpc();
    let mut answers = grpc.buy_stream(ReceiverStream::new(sent)).await.unwrap().into_inner();
    // Time itself is the condition here.
    sleep(TIMEOUT * 2).await;
    let idempotency_key = "pausing-1".to_owned();
    let buy = BuyRequest { sale_id: sale.get(), quantity: 1, idempotency_key };
    requests
        .send(BuyStreamRequest {
            request_id: 7,
            buyer_id: "pausing".to_owned(),
            buy: Some(buy),
            ..BuyStreamRequest::default()
        })
        .await
        .unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().request_id, 7);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_and_are_served_when_others_leave() {
    let shop = shop("flood").await;
    let sale = shop.open_sale(SaleForm::of_stock(10)).await;
    let address = shop.gateways[0].http();
    let mut flood = Vec::new();
    for _ in 0..64 {
        flood.push(TcpStream::connect(address).await.unwrap());
    }
    // Those of the flood that were taken say nothing and are cut off in their time, eight at once.
    let answer = shop.gateways[0].door().buy(&Purchase::new(sale, "patient", "patient-1", 1)).await;
    assert!(answer.order().is_some(), "{answer:?}");
    drop(flood);
    eventually("the next buyer is served at once", PATIENCE, async || {
        let asked = Instant::now();
        let door = shop.gateways[0].door();
        let answer = door.buy(&Purchase::new(sale, "next", "next-1", 1)).await;
        let at_once = answer.order().is_some() && asked.elapsed() < TIMEOUT / 2;
        at_once.then_some(()).ok_or_else(|| format!("{answer:?} after {:?}", asked.elapsed()))
    })
    .await;
    shop.stop().await;
}
