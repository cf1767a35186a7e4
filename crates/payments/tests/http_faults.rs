//! The client of a provider against servers that break the protocol. Against the real program:
//! `crates/payment-provider/tests`.

#![expect(clippy::unwrap_used, reason = "a test may fail at any line")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{AttemptId, Money, RefundId, non_zero};
use flashgate_payments::{
    http::{HttpProvider, HttpProviderConfig},
    provider::{AttemptStatus, Closing, PaymentProvider, ProviderError, RefundRequest},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn attempt() -> AttemptId {
    "1024-1".parse().unwrap()
}

fn refund() -> RefundRequest {
    let money = Money::new(1_999, "EUR".parse().unwrap()).unwrap();
    RefundRequest { refund: RefundId::new("r1").unwrap(), attempt: attempt(), money }
}

fn config(address: SocketAddr) -> HttpProviderConfig {
    let url = format!("http://{address}").parse().unwrap();
    HttpProviderConfig::new(url, "token".to_owned().into(), SECRET.parse().unwrap())
}

fn client(address: SocketAddr) -> HttpProvider {
    HttpProvider::new(&config(address)).unwrap()
}

/// Reads a request: up to the end of its head, or of its body.
async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"}") {
        assert!(stream.read_buf(&mut request).await.unwrap() > 0, "half a request");
    }
}

/// A server that answers each connection with these bytes and closes it; and the number of its connections.
async fn server(answer: impl Into<Vec<u8>>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), Arc::new(answer.into()));
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _peer)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                read_request(&mut stream).await;
                // The client may have closed it.
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (address, connections)
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

async fn queried(answer: impl Into<Vec<u8>>) -> Result<AttemptStatus, ProviderError> {
    client(server(answer).await.0).query(attempt()).await
}

#[tokio::test]
async fn a_port_without_a_listener_is_unreachable_and_nothing_was_sent() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = client(address).close(attempt()).await.unwrap_err();
    assert_eq!(error.code(), "provider_unreachable");
    assert!(error.can_succeed_later() && !error.may_be_executed());
    assert!(!error.to_string().contains("1024-1"), "no URL in the error: {error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config =
        HttpProviderConfig { call_timeout_ms: non_zero!(100), ..config(listener.local_addr().unwrap()) };
    let error = HttpProvider::new(&config).unwrap().close(attempt()).await.unwrap_err();
    assert_eq!(error, ProviderError::Timeout { limit: Duration::from_millis(100) });
    assert!(error.can_succeed_later() && error.may_be_executed());
}

#[tokio::test]
async fn an_answer_that_trickles_in_counts_against_the_same_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config =
        HttpProviderConfig { call_timeout_ms: non_zero!(300), ..config(listener.local_addr().unwrap()) };
    tokio::spawn(async move {
        let (mut stream, _peer) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n").await.unwrap();
        while stream.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let error = HttpProvider::new(&config).unwrap().query(attempt()).await.unwrap_err();
    assert_eq!(error.code(), "provider_timeout");
}

#[tokio::test]
async fn a_connection_that_is_closed_half_way_leaves_the_outcome_open() {
    let whole = answer("200 OK", r#"{"attempt_id":"1024-1","state":"closed"}"#);
    assert_eq!(client(server(&*whole).await.0).close(attempt()).await, Ok(Closing::Closed));
    for length in [0, 10, whole.len() - 10] {
        let error = client(server(&whole[..length]).await.0).close(attempt()).await.unwrap_err();
        assert_eq!(error.code(), "provider_connection_lost", "{length}: {error}");
        assert!(error.can_succeed_later() && error.may_be_executed());
    }
}

#[tokio::test]
async fn an_oversized_answer_is_not_read_to_its_end() {
    let body = " ".repeat(100_000);
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n186a0\r\n{body}\r\n0\r\n\r\n");
    for oversized in [answer("200 OK", &body), chunked] {
        let error = queried(oversized).await.unwrap_err();
        assert_eq!(error.code(), "provider_answer_unreadable");
        assert!(error.to_string().ends_with("longer than 65536 bytes"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (target, connections) = server(answer("200 OK", r#"{"attempt_id":"1024-1","state":"open"}"#)).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let redirect =
            format!("HTTP/1.1 {status}\r\nlocation: http://{target}/\r\ncontent-length: 0\r\n\r\n");
        let error = queried(redirect).await.unwrap_err();
        assert_eq!(error.code(), "provider_answer_unreadable");
        assert!(error.to_string().contains(&status[..3]), "{error}");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn only_an_answer_of_the_protocol_is_believed() {
    for body in [
        "",
        "ok",
        "[]",
        r#"{"state":"closed"}"#,
        r#"{"attempt_id":"1024-2","state":"closed"}"#,
        r#"{"attempt_id":"1024-1","state":"gone"}"#,
        r#"{"attempt_id":"1024-1","state":"open"}"#,
        r#"{"attempt_id":"1024-1","state":"paid"}"#,
        r#"{"attempt_id":"1024-1","state":"paid","amount_minor":1,"currency":"eur"}"#,
        r#"{"attempt_id":"1024-1","state":"paid","amount_minor":1.5,"currency":"EUR"}"#,
        r#"{"attempt_id":"1024-1","state":"paid","amount_minor":2000000000000000000,"currency":"EUR"}"#,
    ] {
        let error = client(server(answer("200 OK", body)).await.0).close(attempt()).await.unwrap_err();
        assert_eq!(error.code(), "provider_answer_unreadable", "{body}");
        assert!(error.may_be_executed());
    }
    for body in [r#"{"refund_id":"r2","state":"succeeded"}"#, r#"{"refund_id":"r1","state":"done"}"#] {
        let error = client(server(answer("200 OK", body)).await.0).refund(&refund()).await.unwrap_err();
        assert_eq!(error.code(), "provider_answer_unreadable", "{body}");
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_its_texts_are_bounded_and_printable() {
    let body = r#"{"code":"too\u001b[31mmuch","detail":"LINE\nLINE"}"#;
    let body = body.replace("LINE", &"x".repeat(300));
    let refused = client(server(answer("422 Unprocessable", &body)).await.0).refund(&refund()).await;
    let error = refused.unwrap_err();
    assert!(!error.can_succeed_later() && !error.may_be_executed());
    let ProviderError::Refused { status: 422, code, reason } = error else { panic!("{error}") };
    assert_eq!((code.as_str(), reason), ("too [31mmuch", "x".repeat(200)));
    let bare = queried(answer("404 Not Found", "<html>")).await.unwrap_err();
    let expected = ProviderError::Refused { status: 404, code: "unknown".to_owned(), reason: String::new() };
    assert_eq!(bare, expected, "not every 404 says that the attempt was never seen");
    let unseen = queried(answer("404 Not Found", r#"{"code":"attempt_not_found"}"#)).await;
    assert_eq!(unseen, Ok(AttemptStatus::Unseen));
}

#[tokio::test]
async fn a_server_that_is_down_or_refuses_the_token_can_serve_the_call_later() {
    for (status, code) in [
        ("500 Error", "provider_unavailable"),
        ("503 Busy", "provider_unavailable"),
        ("429 Slow", "provider_unavailable"),
        ("408 Late", "provider_unavailable"),
        ("401 Who", "provider_access_denied"),
        ("403 No", "provider_access_denied"),
    ] {
        let error = queried(answer(status, "{}")).await.unwrap_err();
        assert_eq!(error.code(), code, "{status}");
        assert!(error.can_succeed_later());
    }
}

#[tokio::test]
async fn connections_are_bounded_and_further_calls_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = HttpProviderConfig { calls_max: non_zero!(2), ..config(listener.local_addr().unwrap()) };
    let provider = Arc::new(HttpProvider::new(&config).unwrap());
    let calls: Vec<_> = (0..5)
        .map(|_call| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move { provider.query(attempt()).await })
        })
        .collect();
    let (first, second) = (listener.accept().await.unwrap(), listener.accept().await.unwrap());
    let third = timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(third.is_err(), "a third connection");
    drop((first, second));
    listener.accept().await.unwrap();
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}
