//! A signal at any time: while a process waits for another one at its start, and while it holds a request.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{net::SocketAddr, time::Duration};

use flashgate_tests::{Deployment, deployment::Plan, eventually, ports::free_address, process::Process};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// Less than anything that a process waits for here, and more than a process takes that waits for nothing.
const SOON: Duration = Duration::from_secs(15);
/// Until a process has come as far as the test wants it.
const PATIENCE: Duration = Duration::from_secs(30);
/// What every time-out is set to: whoever waits for one of them is still there at the end of the test.
const NEVER_MS: u32 = 120_000;

/// Takes connections and never answers, as a server that was stopped.
struct Frozen {
    address: SocketAddr,
    connections: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

impl Frozen {
    async fn server() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, connections) = watch::channel(0);
        let accepting = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((peer, _address)) = listener.accept().await {
                held.push(peer);
                count.send_replace(held.len());
            }
        });
        Self { address, connections, accepting }
    }

    async fn until_asked(&mut self) {
        timeout(PATIENCE, self.connections.wait_for(|count| *count > 0)).await.unwrap().unwrap();
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Settings with which a process gives nothing up by itself.
fn patient(name: &str) -> Plan {
    let plan = Deployment::of(name);
    let plan = ["redis.connect_timeout_ms", "redis.response_timeout_ms", "worker.timeout_ms"]
        .iter()
        .fold(plan, |plan, key| plan.gateway_setting(key, NEVER_MS));
    let plan = ["order_store.acquire_timeout_ms", "order_store.call_timeout_ms"]
        .iter()
        .fold(plan, |plan, key| plan.worker_setting(key, NEVER_MS));
    ["rocketmq.connect_timeout_ms", "rocketmq.send_timeout_ms"]
        .iter()
        .fold(plan, |plan, key| plan.gateway_setting(key, NEVER_MS).worker_setting(key, NEVER_MS))
}

/// Both signals end the process in order and soon.
async fn leaves(process: &mut Process, signal: Signal) {
    process.signal(signal);
    let ended = timeout(SOON, process.died()).await;
    let status = ended.unwrap_or_else(|_late| panic!("{} waits on:\n{}", process.name(), process.log_tail()));
    assert_eq!(status.code(), Some(0), "{}", process.log_tail());
}

async fn until_logged(process: &mut Process, line: &str) {
    eventually(line, PATIENCE, async || {
        assert!(process.is_running(), "it ended:\n{}", process.log_tail());
        process.log().contains(line).then_some(()).ok_or_else(|| process.log_tail())
    })
    .await;
}

/// `key` of a gateway leads to a server that is frozen, and then to none.
async fn gateway_leaves_while_it_waits(name: &str, key: &str, value: impl Fn(SocketAddr) -> String) {
    for signal in [Signal::TERM, Signal::INT] {
        let mut frozen = Frozen::server().await;
        let mut shop = patient(name).gateway_setting(key, value(frozen.address)).prepare().await;
        // The order worker is there; what else the gateway needs, but for that one, as well.
        shop.workers[0].start();
        shop.workers[0].ready().await;
        shop.gateways[0].start();
        frozen.until_asked().await;
        leaves(&mut shop.gateways[0].process, signal).await;
        shop.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_leaves_while_it_waits_for_a_name_server() {
    let value = |address| format!(r#"["{address}"]"#);
    gateway_leaves_while_it_waits("leave-namesrv", "rocketmq.name_servers", value).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_leaves_while_it_waits_for_redis() {
    let value = |address| format!(r#"["redis://{address}"]"#);
    gateway_leaves_while_it_waits("leave-redis", "redis.urls", value).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_leaves_while_it_waits_for_an_order_worker() {
    gateway_leaves_while_it_waits("leave-worker", "worker.url", |address| format!("http://{address}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_leaves_while_nothing_that_it_waits_for_listens() {
    for (key, value) in [
        ("redis.urls", format!(r#"["redis://{}"]"#, free_address())),
        ("worker.url", format!("http://{}", free_address())),
    ] {
        let mut shop = patient("leave-nobody").gateway_setting(key, value).prepare().await;
        shop.workers[0].start();
        shop.workers[0].ready().await;
        shop.gateways[0].start();
        until_logged(&mut shop.gateways[0].process, "startup step failed; retrying").await;
        leaves(&mut shop.gateways[0].process, Signal::TERM).await;
        shop.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_while_it_waits_for_mysql_or_a_name_server() {
    let mysql: fn(SocketAddr) -> String = |address| format!("mysql://flashgate@{address}/flashgate");
    let names: fn(SocketAddr) -> String = |address| format!(r#"["{address}"]"#);
    for signal in [Signal::TERM, Signal::INT] {
        for (key, value) in [("order_store.url", mysql), ("rocketmq.name_servers", names)] {
            let mut frozen = Frozen::server().await;
            let mut shop = patient("leave-frozen").gateways(0).prepare().await;
            shop.workers[0].set(key, value(frozen.address));
            shop.workers[0].start();
            frozen.until_asked().await;
            leaves(&mut shop.workers[0].process, signal).await;
            shop.stop().await;

            let mut shop = patient("leave-nobody").gateways(0).prepare().await;
            shop.workers[0].set(key, value(free_address()));
            shop.workers[0].start();
            // sqlx tries a connection that is refused again by itself; then nothing is logged.
            eventually("it waits", PATIENCE, async || {
                TcpStream::connect(shop.workers[0].address()).await.map(drop).map_err(|why| why.to_string())
            })
            .await;
            leaves(&mut shop.workers[0].process, signal).await;
            shop.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_waits_is_interrupted_and_says_so() {
    let mut frozen = Frozen::server().await;
    let shop = patient("leave-migrate").gateways(0).prepare().await;
    let url = format!("mysql://flashgate@{}/flashgate", frozen.address);
    let mut migrate = shop.workers[0].migration(shop.folder());
    migrate.start(&[("FLASHGATE_WORKER__ORDER_STORE__URL".to_owned(), url)]);
    frozen.until_asked().await;
    migrate.signal(Signal::TERM);
    let status = timeout(SOON, migrate.died()).await.expect("it ends");
    assert_eq!(status.code(), Some(4), "{}", migrate.log_tail());
    assert!(migrate.log().contains("migration interrupted"), "{}", migrate.log_tail());
    shop.stop().await;
}

/// Sends the head of a request and half of its body; the server is known to have the head when it asks for the body.
async fn held_request(address: SocketAddr, path: &str) -> TcpStream {
    let mut peer = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nx-buyer-id: slow\r\nidempotency-key: slow-1\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\ncontent-length: 14\r\n\r\n"
    );
    peer.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, peer.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    peer.write_all(b"{\"quant").await.unwrap();
    peer
}

/// A deployment whose processes wait for bodies for ever, and for so long when they are told to leave.
async fn held(name: &str, drain_timeout_ms: u32) -> Deployment {
    patient(name)
        .gateway_setting("listen.body_timeout_ms", NEVER_MS)
        .gateway_setting("listen.limits.drain_timeout_ms", drain_timeout_ms)
        .worker_setting("operator.body_timeout_ms", NEVER_MS)
        .worker_setting("operator.limits.drain_timeout_ms", drain_timeout_ms)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_held_ends_with_the_drain_limit_and_the_log_names_it() {
    let mut shop = held("leave-held", 1_000).await;
    let (http, operator) = (shop.gateways[0].http(), shop.workers[0].address());
    let _buyer = held_request(http, "/v1/sales/1/orders").await;
    let _desk = held_request(operator, "/v1/sales").await;
    for process in [&mut shop.gateways[0].process, &mut shop.workers[0].process] {
        leaves(process, Signal::TERM).await;
        let told = ["connections were still open", "shutdown timeout of open requests"];
        assert!(told.iter().any(|told| process.log().contains(told)), "{}", process.log_tail());
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_process_that_holds_a_request_at_once() {
    let mut shop = held("leave-twice", NEVER_MS).await;
    let (http, operator) = (shop.gateways[0].http(), shop.workers[0].address());
    let _buyer = held_request(http, "/v1/sales/1/orders").await;
    let _desk = held_request(operator, "/v1/sales").await;
    for (process, address, second, exit_code) in [
        (&mut shop.gateways[0].process, http, Signal::TERM, 143),
        (&mut shop.workers[0].process, operator, Signal::INT, 130),
    ] {
        process.signal(Signal::TERM);
        eventually("it accepts nothing new", PATIENCE, async || {
            TcpStream::connect(address).await.map_or(Ok(()), |_peer| Err("it does".to_owned()))
        })
        .await;
        process.signal(second);
        let status = timeout(SOON, process.died()).await.expect("it ends at once");
        assert_eq!(status.code(), Some(exit_code), "{}", process.log_tail());
        let log = process.log();
        assert!(log.contains("terminated by a second signal") && log.contains("open requests"), "{log}");
    }
    shop.stop().await;
}
