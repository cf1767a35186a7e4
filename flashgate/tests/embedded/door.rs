//! What the tests ask over HTTP: a request a connection, so that a server that is killed takes no answer along.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Status and body; `None` if there was no whole answer.
pub(crate) async fn ask(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}

/// A purchase of one unit.
pub(crate) async fn buy(to: SocketAddr, sale: u64, buyer: &str, key: &str) -> Option<(u16, Value)> {
    let headers = format!("X-Buyer-Id: {buyer}\r\nIdempotency-Key: {key}\r\n");
    ask(to, "POST", &format!("/v1/sales/{sale}/orders"), &headers, "{\"quantity\":1}").await
}

/// How an order stands; `None` if that cannot be said now.
pub(crate) async fn order_state(to: SocketAddr, order: &str, buyer: &str) -> Option<String> {
    let headers = format!("X-Buyer-Id: {buyer}\r\n");
    let (status, body) = ask(to, "GET", &format!("/v1/orders/{order}"), &headers, "").await?;
    (status == 200).then(|| body["state"].as_str().unwrap().to_owned())
}

/// A sale that is open and preheated.
pub(crate) async fn open_sale(operator: SocketAddr, stock: u64, limit_per_buyer: u64) -> u64 {
    let body = format!(
        "{{\"title\":\"Test\",\"price_minor\":1,\"currency\":\"EUR\",\"stock\":{stock},\
         \"limit_per_buyer\":{limit_per_buyer},\"opens_at_ms\":0,\"closes_at_ms\":4102444800000}}"
    );
    let (status, sale) = ask(operator, "POST", "/v1/sales", "", &body).await.unwrap();
    assert!((200..300).contains(&status), "{status}: {sale}");
    let sale: u64 = sale["id"].as_str().unwrap().parse().unwrap();
    let preheat = format!("/v1/sales/{sale}/preheat");
    assert!(ask(operator, "POST", &preheat, "", "").await.is_some());
    while self::sale(operator, sale).await["state"] != "preheated" {
        tokio::task::yield_now().await;
    }
    sale
}

/// A sale as the order store has it.
pub(crate) async fn sale(operator: SocketAddr, sale: u64) -> Value {
    ask(operator, "GET", &format!("/v1/sales/{sale}"), "", "").await.unwrap().1
}
