//! What each part does while another one is away, slow, or back: refuse safely, or go on.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod broker_outage;
mod order_store;
mod redis;
mod rocketmq;
mod two_brokers;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use flashgate_tests::{Answer, Door, Heard, Refused, eventually};
use http::{Request, StatusCode};

/// How long a part may take to notice that another one is away or back.
const NOTICE_TIME: Duration = Duration::from_secs(20);

/// Nothing was ordered, and the same request may be sent again.
fn try_again(code: &str) -> Answer {
    Answer::Refused(Refused { code: code.to_owned(), retry_safe: true })
}

/// Whether the process on that port says that it lives, and what it says about being ready.
async fn probe(operator: SocketAddr) -> (StatusCode, StatusCode, String) {
    let door = Door::new(operator, operator);
    let get =
        async |path: &str| door.http(Request::get(path).body(Bytes::new().into()).unwrap()).await.unwrap();
    let (live, ready) = (get("/healthz/live").await, get("/healthz/ready").await);
    (live.status(), ready.status(), String::from_utf8(ready.body().to_vec()).unwrap())
}

/// Waits until the process is not ready and names what it misses; it is alive all the same.
async fn until_missing(operator: SocketAddr, part: &str) {
    eventually(&format!("{part} is missed"), NOTICE_TIME, async || {
        let (live, ready, body) = probe(operator).await;
        assert_eq!(live, StatusCode::OK);
        let missed = ready == StatusCode::SERVICE_UNAVAILABLE && body.contains(part);
        missed.then_some(()).ok_or(body)
    })
    .await;
}

async fn until_ready(operator: SocketAddr) {
    eventually("ready again", NOTICE_TIME, async || {
        let (live, ready, body) = probe(operator).await;
        assert_eq!(live, StatusCode::OK);
        (ready == StatusCode::OK).then_some(()).ok_or(body)
    })
    .await;
}

/// How often each answer was heard.
fn words(heard: &[Heard]) -> BTreeMap<&str, usize> {
    let mut words = BTreeMap::new();
    for answer in heard.iter().flat_map(|heard| &heard.answers) {
        *words.entry(answer.word()).or_default() += 1;
    }
    words
}
