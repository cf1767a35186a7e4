//! The worker killed at each step of a chunk, on the real stack (`FLASHGATE_MYSQL_URL`, `FLASHGATE_NAMESRV`):
//! no order twice, none missing, stock exact, and every outcome told.
//!
//! Built with the feature `failpoints` only: `cargo test -p flashgate-order-worker --features failpoints`.

#![cfg(feature = "failpoints")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    num::NonZeroU32,
    process::{self, Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use flashgate_domain::{Batch, BatchId, BatchOutcome, Decision, SystemClock};
use flashgate_messaging::{
    Message, Publisher, Subscription,
    rocketmq::{RocketMq, RocketMqConfig, RocketMqPublisher, RocketMqSubscription, admin},
};
use flashgate_order_store::{
    OrderRepository, SaleRepository,
    contract::scene::{NOW, draft, singles},
    server::{ServerSettings, ServerStore},
};
use flashgate_order_store_mysql::MySqlStore;
use flashgate_proto::body;
use flashgate_supervision::Supervisor;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};
use tokio::time::{Instant, sleep, timeout};

const FAILPOINTS: [&str; 6] = [
    "after_poll",
    "after_begin",
    "before_db_commit",
    "after_db_commit",
    "after_outcomes",
    "before_offset_commit",
];
const BATCHES: u64 = 40;
const ORDERS_OF_A_BATCH: usize = 5;

struct Stack {
    mysql_server: String,
    name: String,
    namesrv: String,
    publisher: RocketMqPublisher,
    outcomes: RocketMqSubscription,
    config: RocketMqConfig,
    store: MySqlStore,
}

impl Stack {
    async fn new(failpoint: &str) -> Self {
        let url = env::var("FLASHGATE_MYSQL_URL").unwrap();
        let namesrv = env::var("FLASHGATE_NAMESRV").unwrap();
        let (server, _database) = url.rsplit_once('/').unwrap();
        let name = format!("flashgate_crash_{}_{failpoint}", process::id());
        let mut connection = MySqlConnection::connect(&format!("{server}/mysql")).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        let options = format!("{server}/{name}").parse().unwrap();
        let store = MySqlStore::new(options, &ServerSettings::default(), 1, Supervisor::default());
        store.migrate().await.unwrap();

        let config = RocketMqConfig {
            name_servers: vec![namesrv.clone()],
            prefix: name.clone(),
            ..RocketMqConfig::default()
        };
        let mq = RocketMq::connect(config.clone(), Arc::new(SystemClock)).await.unwrap();
        let dead = config.group("order-worker").unwrap().dead_letters();
        for topic in
            ["orders", "outcomes", "lifecycle", "timers", "sales"].map(|topic| config.topic(topic).unwrap())
        {
            admin::create_topic(&mq, &topic, NonZeroU32::new(2).unwrap()).await.unwrap();
        }
        admin::create_topic(&mq, &dead, NonZeroU32::MIN).await.unwrap();
        let group = config.group("test").unwrap();
        let outcomes = mq.subscribe(group.clone(), config.topic("outcomes").unwrap()).await.unwrap();
        let publisher = mq.publisher(group);
        Self { mysql_server: server.to_owned(), name, namesrv, publisher, outcomes, config, store }
    }

    /// A worker that will crash at `failpoint`, if there is one.
    fn worker(&self, failpoint: Option<&str>) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_order-worker"));
        command
            .arg("serve")
            .env("FLASHGATE_WORKER__ORDER_STORE__URL", format!("{}/{}", self.mysql_server, self.name))
            .env("FLASHGATE_WORKER__ROCKETMQ__NAME_SERVERS", format!("[\"{}\"]", self.namesrv))
            .env("FLASHGATE_WORKER__ROCKETMQ__PREFIX", &self.name)
            .env("FLASHGATE_WORKER__CONSUME__CHUNK_ORDERS_MAX", "20")
            .env("FLASHGATE_WORKER__OPERATOR__LISTEN", "127.0.0.1:0")
            .env("FLASHGATE_WORKER__LOG__FILTER", "warn")
            .env_remove("FLASHGATE_FAILPOINT")
            .stdin(Stdio::null());
        if let Some(name) = failpoint {
            command.env("FLASHGATE_FAILPOINT", format!("{name}:2"));
        }
        command.spawn().unwrap()
    }

    async fn send(&self, batch: &Batch) {
        let message = Message::new(
            self.config.topic("orders").unwrap(),
            batch.id().to_string(),
            body::encode_batch(batch, None, NOW),
        );
        self.publisher.publish(message).await.unwrap();
    }

    /// Collects outcomes until those of all `batches` were told; two that differ are a failure.
    async fn outcomes_of(&mut self, batches: &BTreeSet<BatchId>) -> BTreeMap<BatchId, BatchOutcome> {
        let mut told: BTreeMap<BatchId, BatchOutcome> = BTreeMap::new();
        while told.len() < batches.len() {
            for delivery in self.outcomes.poll(64, Duration::from_millis(200)).await.unwrap() {
                for outcome in body::decode_outcomes(delivery.body).unwrap().batches {
                    let before = told.insert(outcome.batch, outcome.clone());
                    assert!(before.is_none_or(|before| before == outcome), "told twice, and not alike");
                }
            }
        }
        told
    }

    async fn remove(self) {
        self.outcomes.shutdown().await;
        self.publisher.shutdown();
        let mut connection = MySqlConnection::connect(&format!("{}/mysql", self.mysql_server)).await.unwrap();
        connection.execute(AssertSqlSafe(format!("DROP DATABASE {}", self.name))).await.unwrap();
    }
}

async fn ended(worker: &mut Child) -> process::ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = worker.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the worker goes on");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn survives(failpoint: &str) {
    let mut stack = Stack::new(failpoint).await;
    let stock = 1_000;
    let sale = stack.store.create_sale(&draft("A thing", stock).unwrap(), NOW).await.unwrap().id;
    let mut batches = BTreeSet::new();
    for number in 1..=BATCHES {
        let batch = singles(number, sale, ORDERS_OF_A_BATCH).unwrap();
        stack.send(&batch).await;
        batches.insert(batch.id());
    }
    let status = ended(&mut stack.worker(Some(failpoint))).await;
    assert!(status.code().is_none(), "{failpoint}: not a crash but {status}");

    let mut worker = stack.worker(None);
    let told = timeout(Duration::from_secs(60), stack.outcomes_of(&batches)).await.unwrap();
    assert_eq!(told.keys().copied().collect::<BTreeSet<_>>(), batches);
    let orders = told.values().flat_map(|batch| &batch.orders);
    let confirmed = orders.filter(|order| order.decision == Decision::Confirmed).count();
    assert_eq!(confirmed, told.len() * ORDERS_OF_A_BATCH);
    let left = stack.store.sale(sale).await.unwrap().unwrap().saleable;
    assert_eq!(left, stock - u64::try_from(confirmed).unwrap(), "{failpoint}");
    for order in told.values().flat_map(|batch| &batch.orders) {
        assert!(stack.store.order(order.order).await.unwrap().is_some());
    }

    let terminated = Command::new("kill").args(["-TERM", &worker.id().to_string()]).status().unwrap();
    assert!(terminated.success());
    assert!(ended(&mut worker).await.success(), "leaves in order");
    stack.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_at_any_step_loses_and_doubles_nothing() {
    for failpoint in FAILPOINTS {
        survives(failpoint).await;
    }
}
