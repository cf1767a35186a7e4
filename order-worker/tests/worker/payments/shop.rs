//! A worker on SQLite, a payment provider, and buyers, all in this process and on loopback.

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use flashgate_domain::{
    AttemptId, BuyerId, CallbackId, Clock, OrderEvent, OrderId, OrderState, PaymentAttempt, Refund,
    SystemClock, Timestamp,
};
use flashgate_messaging::{Group, Topic};
use flashgate_order_store::{
    LifecycleRepository, OrderRepository, PaymentRepository, SaleRepository,
    contract::scene::{draft_due, singles},
};
use flashgate_order_store_sqlite::{SqliteSettings, SqliteStore};
use flashgate_order_worker::{
    config::{ConsumeConfig, LifecycleConfig, OperatorConfig, PaymentConfig},
    consume::Topics,
    engine::{self, Config, Dependencies},
    lifecycle::Joins,
    payments::Parts,
};
use flashgate_payment_provider::{
    app::{self, CallbackSettings, Settings},
    behaviour::{Behaviour, RefundBehaviour},
};
use flashgate_payments::{
    callback::{Callback, CallbackEvent, encode},
    http::{HttpProvider, HttpProviderConfig},
    signature::{Profile, SignatureScheme, SigningSecret, SigningSecrets, TOLERANCE},
};
use flashgate_proto::v1::{OpenStoredPaymentRequest, Payment, order_service_client::OrderServiceClient};
use flashgate_supervision::Supervisor;
use http::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::double::{MemoryBus, NoTopic, nothing_to_join};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const TOKEN: &str = "token-of-the-merchant";
/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// The price of an order.
pub(super) const PRICE: u64 = 1_999;
/// How long a call to the provider may take.
pub(super) const CALL: Duration = Duration::from_millis(500);
pub(super) const CALLBACKS: &str = "/v1/payments/callbacks";

/// All of it. Dropping it ends the provider; a worker ends with [`Shop::stop`].
pub(super) struct Shop {
    pub(super) store: Arc<SqliteStore>,
    pub(super) bus: MemoryBus,
    /// How payments are made by the workers that start from now on.
    pub(super) config: PaymentConfig,
    http: reqwest::Client,
    provider: SocketAddr,
    /// Of the present worker, and of the next ones.
    callbacks: SocketAddr,
    worker: Option<Worker>,
    provider_leave: CancellationToken,
    next_batch: u64,
    _folder: TempDir,
}

/// A running worker.
struct Worker {
    operator: SocketAddr,
    leave: CancellationToken,
    running: JoinHandle<()>,
}

fn scheme(secret: &str) -> SignatureScheme {
    let secrets = SigningSecrets::new(vec![secret.parse().unwrap()]).unwrap();
    SignatureScheme::new(Profile::StandardWebhooks, secrets, TOLERANCE)
}

async fn free() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// How payments are made with the provider at `address`: everything is quick.
fn config(address: SocketAddr) -> PaymentConfig {
    let (url, secret): (_, SigningSecret) = (format!("http://{address}"), SECRET.parse().unwrap());
    let provider = HttpProviderConfig::new(url.parse().unwrap(), TOKEN.to_owned().into(), secret);
    let call_timeout_ms = NonZeroU32::new(u32::try_from(CALL.as_millis()).unwrap()).unwrap();
    let provider = HttpProviderConfig { call_timeout_ms, ..provider };
    let millis = |millis: u64| millis.try_into().unwrap();
    PaymentConfig {
        check_first_ms: millis(60_000),
        check_max_ms: millis(60_000),
        refund_backoff_min_ms: millis(50),
        refund_backoff_max_ms: millis(200),
        ..PaymentConfig::new("https://pay.example/{attempt_id}".parse().unwrap(), provider)
    }
}

/// Workers that wait for an answer so long that they can be killed meanwhile.
pub(super) fn patient(config: &mut PaymentConfig) {
    config.provider.call_timeout_ms = NonZeroU32::new(3_000).unwrap();
}

async fn start_provider(listener: TcpListener, callbacks: SocketAddr, leave: CancellationToken) {
    let settings = Settings {
        callbacks: CallbackSettings {
            url: format!("http://{callbacks}{CALLBACKS}").parse().unwrap(),
            scheme: scheme(SECRET),
            retry_schedule: vec![Duration::from_millis(300); 60],
            timeout: Duration::from_secs(5),
            run: 7,
        },
        token: TOKEN.to_owned().into(),
        behaviour: Behaviour::Prompt,
        refund_behaviour: RefundBehaviour::Succeed,
        records_max: 1_000,
    };
    let supervisor = Supervisor::new(leave);
    tokio::spawn(async move {
        app::serve(settings, listener, Arc::new(SystemClock), &supervisor).await.unwrap();
    });
}

impl Shop {
    /// With a worker.
    pub(super) async fn start() -> Self {
        Self::with(|_config| {}).await
    }

    /// With a worker, after `edit`.
    pub(super) async fn with(edit: impl FnOnce(&mut PaymentConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("orders.db"), SqliteSettings::default()).await;
        // The port is kept free for the workers: nothing else is told of it.
        let (listener, callbacks) = (free().await, free().await.local_addr().unwrap());
        let (provider, provider_leave) = (listener.local_addr().unwrap(), CancellationToken::new());
        start_provider(listener, callbacks, provider_leave.clone()).await;
        let mut config = config(provider);
        edit(&mut config);
        let mut shop = Self {
            store: Arc::new(store.unwrap()),
            bus: MemoryBus::default(),
            config,
            http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
            provider,
            callbacks,
            worker: None,
            provider_leave,
            next_batch: 1,
            _folder: folder,
        };
        shop.work().await;
        shop
    }

    /// Starts a worker.
    pub(super) async fn work(&mut self) {
        let (operator, leave) = (free().await, CancellationToken::new());
        let provider = HttpProvider::new(&self.config.provider).unwrap();
        let listener = TcpListener::bind(self.callbacks).await.unwrap();
        let payments = Parts { config: self.config.clone(), provider: Arc::new(provider), listener };
        let parts = Dependencies {
            store: self.store.clone(),
            publisher: Arc::new(self.bus.clone()),
            browser: Arc::new(NoTopic),
            subscription: self.bus.clone(),
            joins: Joins { timers: nothing_to_join(), outbound: None },
            topics: Topics {
                outcomes: Topic::new("t-outcomes").unwrap(),
                lifecycle: Topic::new("t-lifecycle").unwrap(),
                timers: Topic::new("t-timers").unwrap(),
                dead_letters: Group::new("t-order-worker").unwrap().dead_letters(),
                orders: Topic::new("t-orders").unwrap(),
            },
            sales_topic: Topic::new("t-sales").unwrap(),
            payments: Some(payments),
            clock: Arc::new(SystemClock),
            seed: 7,
        };
        let address = operator.local_addr().unwrap();
        let supervisor = Supervisor::new(leave.clone());
        let running = tokio::spawn(async move {
            let lifecycle =
                LifecycleConfig { sweep_interval_ms: 200.try_into().unwrap(), ..LifecycleConfig::default() };
            let (consume, operator_config) = (ConsumeConfig::default(), OperatorConfig::default());
            let config = Config { consume: &consume, lifecycle: &lifecycle, operator: &operator_config };
            engine::run(config, parts, operator, None, 1_024, &supervisor).await.unwrap();
            supervisor.check().unwrap();
        });
        self.worker = Some(Worker { operator: address, leave, running });
    }

    /// The worker shuts down in order.
    pub(super) async fn stop(&mut self) {
        let Worker { leave, running, .. } = self.worker.take().unwrap();
        leave.cancel();
        timeout(PATIENCE, running).await.unwrap().unwrap();
    }

    /// From now on the callbacks of the provider find nobody.
    pub(super) async fn miss_callbacks(&mut self) {
        self.stop().await;
        self.callbacks = free().await.local_addr().unwrap();
        self.work().await;
    }

    /// The worker dies where it is.
    pub(super) async fn kill(&mut self) {
        let Worker { running, .. } = self.worker.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    /// The provider that the workers are told of never answers, and is asked twice a second.
    pub(super) async fn frozen() -> (Self, TcpListener) {
        let silent = free().await;
        let address = silent.local_addr().unwrap();
        let shop = Self::with(|config| {
            config.provider.url = format!("http://{address}").parse().unwrap();
            (config.check_first_ms, config.check_max_ms) = (500.try_into().unwrap(), 500.try_into().unwrap());
        });
        (shop.await, silent)
    }

    /// The workers that start from now on are told of the provider that answers.
    pub(super) fn thaw(&mut self) {
        self.config.provider.url = format!("http://{}", self.provider).parse().unwrap();
    }

    /// Orders of one unit, each of its own buyer, to be paid within that time.
    pub(super) async fn orders(&mut self, count: usize, pay_within: Duration) -> Vec<OrderId> {
        let now = SystemClock.now();
        let sale = self.store.create_sale(&draft_due(100, PRICE, pay_within).unwrap(), now).await.unwrap().id;
        let batch = singles(self.next_batch, sale, count).unwrap();
        self.next_batch += 1;
        self.store.apply(std::slice::from_ref(&batch), now).await.unwrap();
        (0..count).map(|place| batch.id().order(place).unwrap()).collect()
    }

    /// One such order.
    pub(super) async fn order(&mut self, pay_within: Duration) -> OrderId {
        self.orders(1, pay_within).await[0]
    }

    /// What its buyer needs to pay an order.
    pub(super) async fn open(&self, order: OrderId) -> Result<Payment, Status> {
        let buyer = self.store.order(order).await.unwrap().unwrap().intent.buyer().clone();
        self.open_as(order, &buyer).await
    }

    pub(super) async fn open_as(&self, order: OrderId, buyer: &BuyerId) -> Result<Payment, Status> {
        let operator = self.worker.as_ref().unwrap().operator;
        let mut orders = OrderServiceClient::connect(format!("http://{operator}")).await.unwrap();
        let (order_id, buyer_id) = (order.to_string(), buyer.as_str().to_owned());
        Ok(orders.open_payment(OpenStoredPaymentRequest { order_id, buyer_id }).await?.into_inner())
    }

    /// An attempt to pay an order.
    pub(super) async fn attempt(&self, order: OrderId) -> AttemptId {
        self.open(order).await.unwrap().attempt_id.parse().unwrap()
    }

    /// The buyer pays at the provider, which behaves so.
    pub(super) async fn pay(&self, attempt: AttemptId, behaviour: &str) -> u16 {
        let body = json!({
            "attempt_id": attempt.to_string(), "amount_minor": PRICE, "currency": "EUR", "behaviour": behaviour
        });
        self.ask_provider("/pay", body).await.0
    }

    /// A request to the provider, with the merchant's token.
    pub(super) async fn ask_provider(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.post(format!("http://{}{path}", self.provider)).bearer_auth(TOKEN);
        read(request.body(body.to_string())).await
    }

    /// The provider behaves so about the refunds of an attempt.
    pub(super) async fn script_refunds(&self, attempt: AttemptId, behaviour: &str) {
        let body = json!({"attempt_id": attempt.to_string(), "behaviour": behaviour});
        assert_eq!(self.ask_provider("/refunds/behaviour", body).await.0, 204);
    }

    /// The refunds that the provider has made: their ids and states.
    pub(super) async fn provider_refunds(&self) -> Vec<(String, String)> {
        let request = self.http.get(format!("http://{}/refunds", self.provider)).bearer_auth(TOKEN);
        let (_status, page) = read(request).await;
        let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| (text(item, "refund_id"), text(item, "state"))).collect()
    }

    /// A request to the operators' port.
    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let operator = self.worker.as_ref().unwrap().operator;
        read(self.http.get(format!("http://{operator}{path}"))).await
    }

    /// The text at a path of the operators' port.
    pub(super) async fn text(&self, path: &str) -> (u16, String) {
        let operator = self.worker.as_ref().unwrap().operator;
        let response = self.http.get(format!("http://{operator}{path}")).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.text().await.unwrap())
    }

    /// A step of an operator.
    pub(super) async fn post(&self, path: &str) -> (u16, Value) {
        let operator = self.worker.as_ref().unwrap().operator;
        let request = self.http.post(format!("http://{operator}{path}"));
        let request = request.header("content-type", "application/json");
        read(request.body(json!({"operator": "zoe", "cause": "by hand"}).to_string())).await
    }

    /// Any request to the listener of callbacks.
    pub(super) async fn send(&self, headers: HeaderMap, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.http.post(format!("http://{}{CALLBACKS}", self.callbacks));
        read(request.headers(headers).body(body)).await
    }

    /// The answer to a method and a path of the listener of callbacks.
    pub(super) async fn ask_listener(&self, method: reqwest::Method, path: &str) -> (u16, Value) {
        read(self.http.request(method, format!("http://{}{path}", self.callbacks))).await
    }

    /// Delivers an authentic callback.
    pub(super) async fn callback(&self, id: &str, event: CallbackEvent) -> (u16, Value) {
        let signed = Signed::new(id, event, SystemClock.now());
        self.send(signed.headers, signed.body).await
    }

    pub(super) async fn state(&self, order: OrderId) -> OrderState {
        self.store.order(order).await.unwrap().unwrap().state
    }

    pub(super) async fn attempts(&self, order: OrderId) -> Vec<PaymentAttempt> {
        self.store.attempts(order).await.unwrap()
    }

    pub(super) async fn refunds(&self, order: OrderId) -> Vec<Refund> {
        self.store.refunds(order).await.unwrap()
    }

    pub(super) async fn events(&self, order: OrderId) -> Vec<OrderEvent> {
        self.store.order_events(order).await.unwrap()
    }

    /// Waits until an order has that state.
    pub(super) async fn becomes(&self, order: OrderId, state: OrderState) {
        eventually(format!("{order} is {state:?}"), async || self.state(order).await == state).await;
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.provider_leave.cancel();
    }
}

/// A callback with its signature.
pub(super) struct Signed {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Signed {
    /// As the provider signs it at `at`.
    pub(super) fn new(id: &str, event: CallbackEvent, at: Timestamp) -> Self {
        Self::by(SECRET, id, event, at)
    }

    /// Signed with a secret that the worker does not have.
    pub(super) fn forged(id: &str, event: CallbackEvent) -> Self {
        Self::by(OTHER_SECRET, id, event, SystemClock.now())
    }

    fn by(secret: &str, id: &str, event: CallbackEvent, at: Timestamp) -> Self {
        let id = CallbackId::new(id).unwrap();
        let body = encode(&Callback { id: id.clone(), at, event });
        Self::of(secret, &id, body, at)
    }

    /// Any body, with the signature of the provider.
    pub(super) fn body(id: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::of(SECRET, &CallbackId::new(id).unwrap(), body.into(), SystemClock.now())
    }

    fn of(secret: &str, id: &CallbackId, body: Vec<u8>, at: Timestamp) -> Self {
        Self { headers: scheme(secret).sign(id, &body, at).into_iter().collect(), body }
    }
}

async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

/// Waits until `condition` holds.
pub(super) async fn eventually(what: impl AsRef<str>, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_elapsed| panic!("not in time: {}", what.as_ref()));
}
