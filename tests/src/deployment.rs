//! A deployment of its own for one test: gateways, workers, a key prefix, topics and a database.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use flashgate_domain::{Clock, SaleId, SystemClock};
use flashgate_messaging::rocketmq::RocketMqConfig;
use futures::future::join_all;
use http::{Request, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    broker::Broker,
    eventually::eventually,
    gateway::{Gateway, GatewayPlan},
    lines::RocketMqLines,
    operator::{Operator, SaleForm},
    order_store::OrderStore,
    process::Process,
    proxy::Proxy,
    redis_server::RedisServer,
    secure::Secure,
    stack::Stack,
    stock::Stock,
    worker::{Worker, WorkerPlan},
};

/// How long a sale may take until every gateway sells it.
const OPEN_TIME: Duration = Duration::from_secs(20);

/// Everything that runs for one test. Dropping it kills the processes; after a failure it shows the ends of
/// their logs and keeps the folder and the stores, to be looked at.
pub struct Deployment {
    /// The gateways.
    pub gateways: Vec<Gateway>,
    /// The order workers. The first is the one that operators and gateways call.
    pub workers: Vec<Worker>,
    /// Redis, as it is (never through the proxy).
    pub stock: Stock,
    /// MySQL.
    pub store: OrderStore,
    /// The topics.
    pub broker: Broker,
    /// The Redis server of its own, if one was asked for.
    pub redis: Option<RedisServer>,
    /// In front of Redis, if it was asked for.
    pub redis_proxy: Option<Proxy>,
    /// In front of the first worker, if it was asked for.
    pub worker_proxy: Option<Proxy>,
    /// Between the workers and MySQL, if it was asked for.
    pub mysql_proxy: Option<Proxy>,
    /// In front of each gateway's HTTP, if every proxy was asked for.
    pub door_proxies: Vec<Proxy>,
    pub(crate) gateways_rocketmq: Option<RocketMqLines>,
    pub(crate) workers_rocketmq: Option<RocketMqLines>,
    folder: TempDir,
}

/// A deployment to be.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    gateways: usize,
    workers: usize,
    shards: u16,
    own_redis: bool,
    redis_proxy: bool,
    worker_proxy: bool,
    mysql_proxy: bool,
    other_proxies: bool,
    name_server: Option<String>,
    stack: Option<Stack>,
    settings: Vec<(String, String)>,
}

impl Deployment {
    /// A deployment named after its test: one gateway, one worker, one shard, the Redis of the stack.
    pub fn of(name: &str) -> Plan {
        Plan {
            name: name.to_owned(),
            gateways: 1,
            workers: 1,
            shards: 1,
            own_redis: false,
            redis_proxy: false,
            worker_proxy: false,
            mysql_proxy: false,
            other_proxies: false,
            name_server: None,
            stack: None,
            settings: Vec::new(),
        }
    }

    /// Where its processes keep their files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What operators call.
    pub fn operator(&self) -> Operator {
        self.workers[0].operator()
    }

    /// Creates a sale, has it preheated, and waits until every gateway sells it.
    ///
    /// # Panics
    /// If they do not.
    pub async fn open_sale(&self, form: SaleForm) -> SaleId {
        let operator = self.operator();
        self.stock.join().await;
        let sale = operator.create(form).await;
        operator.preheat(sale).await;
        for gateway in &self.gateways {
            until_on_sale(gateway, sale).await;
        }
        sale
    }

    /// The sum over all gateways that run of a metric, since their last starts.
    pub async fn gateway_metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let sums = self.gateways.iter().map(|gateway| async { gateway.metrics().await.sum(name, labels) });
        join_all(sums).await.into_iter().sum()
    }

    /// The sum over all workers that run of a metric, since their last starts.
    pub async fn worker_metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let sums = self.workers.iter().map(|worker| async { worker.metrics().await.sum(name, labels) });
        join_all(sums).await.into_iter().sum()
    }

    /// Starts every worker and gateway, and waits until all are ready.
    ///
    /// # Panics
    /// If one is not in time.
    pub async fn start_all(&mut self) {
        self.workers.iter_mut().for_each(Worker::start);
        self.gateways.iter_mut().for_each(Gateway::start);
        for worker in &mut self.workers {
            worker.ready().await;
        }
        for gateway in &mut self.gateways {
            gateway.ready().await;
        }
    }

    /// Has everything leave in order, and removes what it left in the stores of the stack.
    ///
    /// # Panics
    /// If a process does not leave.
    pub async fn stop(mut self) {
        let gateways = self.gateways.iter_mut().map(|gateway| &mut gateway.process);
        let workers = self.workers.iter_mut().map(|worker| &mut worker.process);
        let running = gateways.chain(workers).filter_map(|process| process.is_running().then_some(process));
        join_all(running.map(Process::leave)).await;
        if self.redis.is_none() {
            self.stock.remove_all().await;
        }
        self.store.drop_database().await;
    }

    fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        let gateways = self.gateways.iter_mut().map(|gateway| &mut gateway.process);
        let workers = self.workers.iter_mut().map(|worker| &mut worker.process);
        gateways.chain(workers).chain(self.redis.as_mut().map(|redis| &mut redis.process))
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let failed = thread::panicking();
        for process in self.processes() {
            if failed {
                eprintln!("{}", process.log_tail());
            }
            process.kill_now();
        }
        if failed {
            self.folder.disable_cleanup(true);
            eprintln!("kept: {}, database {}", self.folder.path().display(), self.store.database());
        }
    }
}

impl Plan {
    /// So many gateways.
    pub fn gateways(mut self, count: usize) -> Self {
        self.gateways = count;
        self
    }

    /// So many order workers.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// So many shards of the ledger.
    pub fn shards(mut self, count: u16) -> Self {
        self.shards = count;
        self
    }

    /// A Redis server of its own, which the test may empty, stop and kill.
    pub fn own_redis(mut self) -> Self {
        self.own_redis = true;
        self
    }

    /// A proxy between the gateways and Redis.
    pub fn redis_proxy(mut self) -> Self {
        self.redis_proxy = true;
        self
    }

    /// A proxy between the gateways and the first worker.
    pub fn worker_proxy(mut self) -> Self {
        self.worker_proxy = true;
        self
    }

    /// A proxy between the workers and MySQL.
    pub fn mysql_proxy(mut self) -> Self {
        self.mysql_proxy = true;
        self
    }

    /// A proxy between each pair of processes, buyers included.
    pub fn every_proxy(mut self) -> Self {
        self.other_proxies = true;
        self.redis_proxy().worker_proxy().mysql_proxy()
    }

    /// Another RocketMQ than that of the stack: `host:port` of its name server.
    pub fn name_server(mut self, address: &str) -> Self {
        self.name_server = Some(address.to_owned());
        self
    }

    /// Other servers than those of the environment.
    pub fn on(mut self, stack: Stack) -> Self {
        self.stack = Some(stack);
        self
    }

    /// A setting of the gateways: `batcher.backlog_orders_max`.
    pub fn gateway_setting(self, key: &str, value: impl ToString) -> Self {
        self.setting("FLASHGATE_GATEWAY__", key, &value.to_string())
    }

    /// A setting of the workers: `consume.chunk_orders_max`.
    pub fn worker_setting(self, key: &str, value: impl ToString) -> Self {
        self.setting("FLASHGATE_WORKER__", key, &value.to_string())
    }

    /// A variable in the environment of every process.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    fn setting(mut self, variable_prefix: &str, key: &str, value: &str) -> Self {
        let variable = format!("{variable_prefix}{}", key.to_uppercase().replace('.', "__"));
        self.settings.push((variable, value.to_owned()));
        self
    }

    /// Starts everything, and waits until all of it is ready.
    ///
    /// # Panics
    /// If something is missing, or does not come up.
    pub async fn start(self) -> Deployment {
        let mut deployment = self.prepare().await;
        deployment.start_all().await;
        deployment
    }

    /// Makes everything ready but starts no gateway and no worker.
    ///
    /// # Panics
    /// If something is missing.
    pub async fn prepare(self) -> Deployment {
        let stack = self.stack.clone().unwrap_or_else(Stack::from_env);
        let folder = TempDir::with_prefix(format!("flashgate-{}-", self.name)).unwrap();
        let secure = stack.secure.as_ref();
        assert!(secure.is_none() || !self.own_redis, "a Redis of its own is none of a secure stack");
        let unique = secure.map_or_else(|| self.unique_name(), |secure| secure.prefix().to_owned());
        let [gateways_rocketmq, workers_rocketmq] = self.rocketmq_lines(&stack).await;
        let name_server = self.name_server.clone().unwrap_or(stack.name_server);
        let through = |lines: &Option<RocketMqLines>| {
            lines
                .as_ref()
                .map_or_else(|| name_server.clone(), |lines| lines.name_server.address().to_string())
        };
        let (gateways_name_server, workers_name_server) =
            (through(&gateways_rocketmq), through(&workers_rocketmq));
        let redis = if self.own_redis { Some(RedisServer::start(folder.path()).await) } else { None };
        let redis_url = redis.as_ref().map_or_else(|| stack.redis_url.clone(), RedisServer::url);
        let redis_proxy =
            if self.redis_proxy { Some(Proxy::before(host_of(&redis_url)).await) } else { None };
        let store = match secure {
            Some(secure) => OrderStore::of_secure(&stack.mysql_url, secure).await,
            None => OrderStore::create(&stack.mysql_url, &unique.replace('-', "_")).await,
        };
        let mysql_proxy =
            if self.mysql_proxy { Some(Proxy::before(host_of_mysql(store.url())).await) } else { None };
        let mysql_server = host_of_mysql(store.url());
        let mysql_address = mysql_proxy.as_ref().map_or(mysql_server, Proxy::address);
        let mysql_url = match secure {
            Some(_secure) => Secure::mysql_url("worker", mysql_address),
            None => store.url().replace(&mysql_server.to_string(), &mysql_address.to_string()),
        };
        let broker = match secure {
            Some(secure) => secure.rocketmq(&name_server, "administrator"),
            None => RocketMqConfig::at(&name_server),
        };
        let broker = Broker::create(broker, &unique).await;

        let worker = |number: usize| {
            let name = format!("worker-{number}");
            let login = secure.map(|secure| secure.of_worker("worker")).unwrap_or_default();
            let (prefix, settings) = (unique.as_str(), [login, self.settings.clone()].concat());
            let settings = settings.as_slice();
            let (mysql_url, name_server) = (mysql_url.as_str(), workers_name_server.as_str());
            let plan = WorkerPlan { name: &name, prefix, mysql_url, name_server, settings };
            Worker::new(&plan, folder.path())
        };
        let workers: Vec<Worker> = (0..self.workers.max(1)).map(worker).collect();
        match secure {
            Some(secure) => {
                let mut login = secure.of_worker("migrator");
                let url = Secure::mysql_url("migrator", mysql_address);
                login.push(("FLASHGATE_WORKER__ORDER_STORE__URL".to_owned(), url));
                workers[0].migrate_with(folder.path(), &login).await;
            }
            None => workers[0].migrate(folder.path()).await,
        }
        let worker_proxy =
            if self.worker_proxy { Some(Proxy::before(workers[0].address()).await) } else { None };

        let redis_of_gateways = match (&redis_proxy, secure) {
            (None, None) => redis_url.clone(),
            (Some(proxy), None) => format!("redis://{}", proxy.address()),
            (None, Some(_secure)) => Secure::redis_url(host_of(&redis_url)),
            (Some(proxy), Some(_secure)) => Secure::redis_url(proxy.address()),
        };
        let login = secure.map(Secure::of_gateway).unwrap_or_default();
        let settings_of_gateways = [login, self.settings.clone()].concat();
        let gateway = |number: usize| {
            let plan = GatewayPlan {
                name: &format!("gateway-{number}"),
                prefix: &unique,
                redis_url: &redis_of_gateways,
                shards: self.shards,
                name_server: &gateways_name_server,
                worker: worker_proxy.as_ref().map_or_else(|| workers[0].address(), Proxy::address),
                settings: &settings_of_gateways,
            };
            Gateway::new(&plan, folder.path())
        };
        let gateways: Vec<Gateway> = (0..self.gateways).map(gateway).collect();
        let mut door_proxies = Vec::new();
        for gateway in gateways.iter().filter(|_gateway| self.other_proxies) {
            door_proxies.push(Proxy::before(gateway.http()).await);
        }
        let stock = Stock::over(&redis_url, &unique, self.shards, secure);
        Deployment {
            gateways,
            workers,
            stock,
            store,
            broker,
            redis,
            redis_proxy,
            worker_proxy,
            mysql_proxy,
            door_proxies,
            gateways_rocketmq,
            workers_rocketmq,
            folder,
        }
    }

    /// For the gateways and for the workers, if every proxy was asked for.
    async fn rocketmq_lines(&self, stack: &Stack) -> [Option<RocketMqLines>; 2] {
        if !self.other_proxies {
            return [None, None];
        }
        assert!(self.name_server.is_none(), "proxies lead to the RocketMQ of the stack");
        [Some(RocketMqLines::to(stack).await), Some(RocketMqLines::to(stack).await)]
    }

    /// In topics, keys and the database: no two deployments share it, ever.
    fn unique_name(&self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = SystemClock.now().as_millis();
        format!("t-{}-{}-{count}-{now}", self.name, process::id())
    }
}

/// `host:port` of a Redis URL without a database.
fn host_of(redis_url: &str) -> SocketAddr {
    let host = redis_url.rsplit(['/', '@']).next().unwrap();
    host.to_socket_addrs().unwrap().next().unwrap()
}

/// `host:port` of `mysql://user:password@host:port/database`.
fn host_of_mysql(url: &str) -> SocketAddr {
    let (server, _database) = url.rsplit_once('/').unwrap();
    host_of(server)
}

async fn until_on_sale(gateway: &Gateway, sale: SaleId) {
    let what = format!("{} sells {sale}", gateway.process.name());
    let door = gateway.door();
    eventually(&what, OPEN_TIME, async || {
        let request =
            Request::get(format!("/v1/sales/{sale}")).body(http_body_util::Full::default()).unwrap();
        let response = door.http(request).await?;
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        let sells =
            response.status() == StatusCode::OK && body["state"] == "preheated" && body["paused"] == false;
        sells.then_some(()).ok_or_else(|| body.to_string())
    })
    .await;
}
