//! The program as a process of its own, a merchant that receives its callbacks, and a buyer.

use std::{fs, net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::State, routing::post};
use flashgate_domain::{AttemptId, Clock, Money, RefundId, SystemClock};
use flashgate_payments::{
    callback::Callback,
    http::{HttpProvider, HttpProviderConfig},
    provider::{PaymentProvider, RefundRequest},
    signature::Profile,
};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::mpsc,
    time::{sleep, timeout},
};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const TOKEN: &str = "token-of-the-merchant";
/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a test waits for what must not come.
const SILENCE: Duration = Duration::from_millis(300);

/// A program that runs, its merchant, and its buyers. Dropping it kills the program.
pub(crate) struct World {
    pub(crate) provider: HttpProvider,
    pub(crate) config: HttpProviderConfig,
    address: SocketAddr,
    http: reqwest::Client,
    merchant: Merchant,
    arrived: mpsc::UnboundedReceiver<Callback>,
    program: Child,
    _folder: TempDir,
}

/// Verifies callbacks and answers them with the next status, 204 when there are no more.
#[derive(Clone)]
struct Merchant {
    statuses: Arc<Mutex<Vec<StatusCode>>>,
    verifier: Arc<HttpProvider>,
    arrivals: mpsc::UnboundedSender<Callback>,
}

async fn receive(State(merchant): State<Merchant>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let callback = merchant.verifier.verify(&headers, &body, SystemClock.now()).unwrap();
    merchant.arrivals.send(callback).unwrap();
    merchant.statuses.lock().pop().unwrap_or(StatusCode::NO_CONTENT)
}

fn config(url: &str, profile: Profile) -> HttpProviderConfig {
    let config =
        HttpProviderConfig::new(url.parse().unwrap(), TOKEN.to_owned().into(), SECRET.parse().unwrap());
    HttpProviderConfig { profile, ..config }
}

impl World {
    /// Starts the program with these further options.
    pub(crate) async fn start(options: &[&str]) -> Self {
        Self::with_profile(Profile::StandardWebhooks, options).await
    }

    pub(crate) async fn with_profile(profile: Profile, options: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callbacks = format!("http://{}/callbacks", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let (secrets, token) = (folder.path().join("secrets"), folder.path().join("token"));
        // The merchant knows only one of them.
        fs::write(&secrets, format!("{OLD_SECRET}\n{SECRET}\n")).unwrap();
        fs::write(&token, format!("{TOKEN}\n")).unwrap();
        let has_schedule = options.contains(&"--retry-schedule");
        let schedule: &[&str] = if has_schedule { &[] } else { &["--retry-schedule", "50ms,100ms,200ms"] };
        let mut program = Command::new(env!("CARGO_BIN_EXE_payment-provider"))
            .args(["--listen", "127.0.0.1:0", "--callback-url", &callbacks, "--profile", profile.as_str()])
            .arg("--secret-file")
            .arg(&secrets)
            .arg("--token-file")
            .arg(&token)
            .args(schedule)
            .args(options)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        let config = config(&url, profile);
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let verifier = Arc::new(HttpProvider::new(&config).unwrap());
        let merchant = Merchant { statuses: Arc::default(), verifier, arrivals };
        let router = Router::new().route("/callbacks", post(receive)).with_state(merchant.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            provider: HttpProvider::new(&config).unwrap(),
            config,
            address: url.strip_prefix("http://").unwrap().parse().unwrap(),
            http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
            merchant,
            arrived,
            program,
            _folder: folder,
        }
    }

    /// The statuses with which the merchant answers the next callbacks; 204 afterwards.
    pub(crate) fn answer_callbacks_with(&self, statuses: &[u16]) {
        let statuses = statuses.iter().rev().map(|status| StatusCode::from_u16(*status).unwrap());
        *self.merchant.statuses.lock() = statuses.collect();
    }

    /// The next callback.
    pub(crate) async fn callback(&mut self) -> Callback {
        timeout(PATIENCE, self.arrived.recv()).await.expect("a callback in time").unwrap()
    }

    /// Fails if a callback arrives within a moment.
    pub(crate) async fn no_callback(&mut self) {
        let arrived = timeout(SILENCE, self.arrived.recv()).await;
        assert!(arrived.is_err(), "{arrived:?}");
    }

    /// A request with the merchant's token: the status and the body.
    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(self.http.post(self.url(path)).bearer_auth(TOKEN), Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.http.get(self.url(path)).bearer_auth(TOKEN), None).await
    }

    /// A request without a token.
    pub(crate) async fn anonymous(&self, path: &str) -> (u16, Value) {
        self.send(self.http.get(self.url(path)), None).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, body: Option<Value>) -> (u16, Value) {
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A buyer pays 19.99 EUR.
    pub(crate) async fn pay(&self, attempt: AttemptId, behaviour: &str) -> u16 {
        let body = json!({
            "attempt_id": attempt.to_string(), "amount_minor": 1999, "currency": "EUR", "behaviour": behaviour
        });
        // In a wallet there is no token.
        self.send(self.http.post(self.url("/pay")), Some(body)).await.0
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        let id = self.program.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        timeout(PATIENCE, self.program.wait()).await.unwrap().unwrap().code()
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the condition in time");
}

pub(crate) fn attempt(number: u32) -> AttemptId {
    format!("1024-{number}").parse().unwrap()
}

pub(crate) fn euros(minor: u64) -> Money {
    Money::new(minor, "EUR".parse().unwrap()).unwrap()
}

pub(crate) fn refund(id: &str, minor: u64) -> RefundRequest {
    RefundRequest { refund: RefundId::new(id).unwrap(), attempt: attempt(1), money: euros(minor) }
}
