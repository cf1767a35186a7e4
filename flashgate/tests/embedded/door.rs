//! What the tests ask over HTTP: a request a connection, so that a server that is killed takes no answer along.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::process::Serve;

const OPEN_TIME_MAX: Duration = Duration::from_secs(30);

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

/// Cancels an order.
pub(crate) async fn cancel(to: SocketAddr, order: &str, buyer: &str) -> (u16, Value) {
    let headers = format!("X-Buyer-Id: {buyer}\r\n");
    ask(to, "POST", &format!("/v1/orders/{order}/cancel"), &headers, "").await.unwrap()
}

/// How an order stands; `None` if that cannot be said now.
pub(crate) async fn order_state(to: SocketAddr, order: &str, buyer: &str) -> Option<String> {
    let headers = format!("X-Buyer-Id: {buyer}\r\n");
    let (status, body) = ask(to, "GET", &format!("/v1/orders/{order}"), &headers, "").await?;
    (status == 200).then(|| body["state"].as_str().unwrap().to_owned())
}

/// A sale that is open, and that the gateway sells.
pub(crate) async fn open_sale(serve: &Serve, stock: u64, limit_per_buyer: u64) -> u64 {
    let body = format!(
        "{{\"title\":\"Test\",\"price_minor\":1,\"currency\":\"EUR\",\"stock\":{stock},\
         \"limit_per_buyer\":{limit_per_buyer},\"opens_at_ms\":0,\"closes_at_ms\":4102444800000}}"
    );
    let (status, sale) = ask(serve.operator, "POST", "/v1/sales", "", &body).await.unwrap();
    assert!((200..300).contains(&status), "{status}: {sale}");
    let sale: u64 = sale["sale_id"].as_str().unwrap().parse().unwrap();
    let preheat = format!("/v1/sales/{sale}/preheat");
    assert!(ask(serve.operator, "POST", &preheat, "", "").await.is_some());
    let deadline = Instant::now() + OPEN_TIME_MAX;
    // At the buyers' door: the order store knows it as preheated a moment before the gateway sells it.
    while self::sale(serve.http, sale).await["state"] != "preheated" {
        assert!(Instant::now() < deadline, "sale {sale} is not on sale");
        sleep(Duration::from_millis(5)).await;
    }
    sale
}

/// A sale, as the buyers' door or the operators' tells it.
pub(crate) async fn sale(to: SocketAddr, sale: u64) -> Value {
    ask(to, "GET", &format!("/v1/sales/{sale}"), "", "").await.unwrap().1
}
