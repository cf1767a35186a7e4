//! A gateway that gives each tenth request its own answer, and remembers who asked.

#![expect(clippy::unwrap_used, reason = "a test ends where its helper fails")]

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: u64,
    /// By idempotency key: the buyer, and whether another one came with it too.
    purchases: HashMap<String, (String, bool)>,
}

impl Server {
    /// Answers each request after `delay`.
    pub(crate) async fn start(delay: Duration) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/sales/1/orders", post(buy))
            .route("/v1/orders/77", get(|| async { r#"{"order_id":"77","state":"confirmed"}"# }))
            .with_state((Arc::clone(&seen), delay));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.seen.lock().requests
    }

    pub(crate) fn purchases(&self) -> usize {
        self.seen.lock().purchases.len()
    }

    pub(crate) fn buyers(&self) -> usize {
        let seen = self.seen.lock();
        seen.purchases.values().map(|(buyer, _)| buyer).collect::<std::collections::HashSet<_>>().len()
    }

    pub(crate) fn one_key_had_two_buyers(&self) -> bool {
        self.seen.lock().purchases.values().any(|(_, two)| *two)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn buy(
    State((seen, delay)): State<(Arc<Mutex<Seen>>, Duration)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    assert_eq!(body, r#"{"quantity":1}"#);
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let number = {
        let mut seen = seen.lock();
        let buyer = text("x-buyer-id");
        let entry = seen.purchases.entry(text("idempotency-key"));
        let first = entry.or_insert_with(|| (buyer.clone(), false));
        first.1 |= first.0 != buyer;
        seen.requests += 1;
        seen.requests
    };
    sleep(delay).await;
    match headers.get("x-answer").and_then(|code| code.to_str().ok()) {
        Some(code @ ("route_not_found" | "sale_not_found")) => problem(StatusCode::NOT_FOUND, code),
        Some(code) => problem(StatusCode::UNAUTHORIZED, code),
        None => answer(number),
    }
}

fn problem(status: StatusCode, code: &str) -> Response {
    (status, format!(r#"{{"type":"about:blank","code":"{code}","retry_safe":true}}"#)).into_response()
}

fn answer(number: u64) -> Response {
    let accepted = r#"{"order_id":"77","status":"accepted"}"#;
    match number % 10 {
        0..=2 => (StatusCode::ACCEPTED, accepted).into_response(),
        3 => (StatusCode::ACCEPTED, [("idempotency-replayed", "true")], accepted).into_response(),
        4 | 5 => problem(StatusCode::CONFLICT, "sold_out"),
        6 => problem(StatusCode::CONFLICT, "over_limit"),
        7 => (StatusCode::TOO_MANY_REQUESTS, "slow down").into_response(),
        8 => problem(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown"),
        _ => problem(StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
    }
}

/// An address at which nobody listens.
pub(crate) async fn refusing_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
