//! A deployment of flashgate on the servers: an order worker and a gateway or two, with a prefix of their own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use flashgate_domain::{Clock, SaleId, SystemClock};
use flashgate_ledger_redis::{RedisConfig, RedisLedger};
use flashgate_proto::v1::{
    CloseSaleRequest, CreateSaleRequest, PreheatSaleRequest, sale_service_client::SaleServiceClient,
};
use redis::aio::MultiplexedConnection;
use sqlx::MySqlPool;
use tokio::time::{Instant, sleep};
use tonic::transport::{Channel, Endpoint};

use crate::{
    http,
    metrics::Metrics,
    ports::free_address,
    process::{self, Process},
    servers::{Servers, connect},
    usage::Watched,
};

/// How long a process may take until it is ready, and a sale until it is sold.
const READY_TIME: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Where the binaries are, and where configurations and logs go.
#[derive(Clone, Debug)]
pub struct Places {
    /// `gateway`, `order-worker`, `flashgate` and the rivals.
    pub binaries: PathBuf,
    /// Of this run.
    pub work: PathBuf,
}

/// A gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Its process.
    pub process: Process,
    /// HTTP for buyers.
    pub http: SocketAddr,
    /// gRPC for buyers.
    pub grpc: SocketAddr,
    /// Metrics and health.
    pub operator: SocketAddr,
}

/// What runs under one prefix.
pub struct Deployment {
    /// Of its topics and keys.
    pub prefix: String,
    /// Its order worker.
    pub worker: Process,
    /// Its gateways; none before [`Deployment::add_gateway`].
    pub gateways: Vec<Gateway>,
    /// Redis through the ledger's own crate.
    pub ledger: RedisLedger,
    /// Redis as it is.
    pub redis: MultiplexedConnection,
    /// Its database.
    pub pool: MySqlPool,
    operator: SaleServiceClient<Channel>,
    worker_address: SocketAddr,
    worker_config: String,
    servers: Servers,
    places: Places,
}

impl Deployment {
    /// Starts an order worker on the topics with that prefix, which must be there.
    pub async fn start(prefix: &str, servers: &Servers, places: &Places) -> anyhow::Result<Self> {
        let mysql_url = servers.database(&format!("flashgate_{}", prefix.replace('-', "_"))).await?;
        let worker_address = free_address()?;
        let worker_config = format!(
            "[order_store]\nurl = \"{mysql_url}\"\n\n\
             [rocketmq]\nname_servers = [\"{}\"]\nprefix = \"{prefix}\"\n\n\
             [operator]\nlisten = \"{worker_address}\"\n",
            servers.name_server
        );
        let file = worker_file(prefix, places);
        fs::write(&file, &worker_config)?;
        let migrate = ["migrate".to_owned(), "--config".to_owned(), path_text(&file)];
        process::output(&places.binaries.join("order-worker"), &migrate).await?;
        let worker = start_worker(prefix, places, worker_address).await?;
        let channel = Endpoint::from_shared(format!("http://{worker_address}"))?.connect_lazy();
        let redis_config =
            RedisConfig { prefix: prefix.parse()?, ..RedisConfig::single(servers.redis_url.parse()?) };
        Ok(Self {
            prefix: prefix.to_owned(),
            worker,
            gateways: Vec::new(),
            ledger: RedisLedger::new(&redis_config)?,
            redis: redis::Client::open(&*servers.redis_url)?.get_multiplexed_async_connection().await?,
            pool: connect(&mysql_url).await?,
            operator: SaleServiceClient::new(channel),
            worker_address,
            worker_config,
            servers: servers.clone(),
            places: places.clone(),
        })
    }

    /// Starts the order worker anew, to place so many orders a second at most; 0: as many as there are.
    pub async fn pace_worker(&mut self, orders_per_second_max: u32) -> anyhow::Result<()> {
        self.worker.stop().await?;
        let pace = format!("\n[consume]\norders_per_second_max = {orders_per_second_max}\n");
        fs::write(worker_file(&self.prefix, &self.places), format!("{}{pace}", self.worker_config))?;
        self.worker = start_worker(&self.prefix, &self.places, self.worker_address).await?;
        Ok(())
    }

    /// Starts a further gateway; `batcher` is that section of its configuration.
    pub async fn add_gateway(&mut self, batcher: &str) -> anyhow::Result<()> {
        let name = format!("{}-gateway-{}", self.prefix, self.gateways.len() + 1);
        let (http, grpc, operator) = (free_address()?, free_address()?, free_address()?);
        let (prefix, worker) = (&self.prefix, self.worker_address);
        let Servers { redis_url, name_server, .. } = &self.servers;
        let config = self.places.work.join(format!("{name}.toml"));
        fs::write(
            &config,
            format!(
                "[listen]\nhttp = \"{http}\"\ngrpc = \"{grpc}\"\noperator = \"{operator}\"\n\n\
                 [batcher]\n{batcher}\n\n\
                 [redis]\nurls = [\"{redis_url}\"]\nprefix = \"{prefix}\"\n\n\
                 [rocketmq]\nname_servers = [\"{name_server}\"]\nprefix = \"{prefix}\"\n\n\
                 [worker]\nurl = \"http://{worker}\"\n"
            ),
        )?;
        let program = self.places.binaries.join("gateway");
        let words = ["serve".to_owned(), "--config".to_owned(), path_text(&config)];
        let mut process = Process::start(&name, &program, &words, &self.places.work)?;
        until_ready(&mut process, operator).await?;
        self.gateways.push(Gateway { process, http, grpc, operator });
        Ok(())
    }

    /// Has the gateway that was added last leave.
    pub async fn remove_gateway(&mut self) -> anyhow::Result<()> {
        self.gateways.pop().context("no gateway")?.process.stop().await
    }

    /// Opens sales of `stock` units each, and waits until every gateway sells them. Their ids are a row of numbers.
    pub async fn open_sales(&mut self, count: usize, stock: u64) -> anyhow::Result<Vec<SaleId>> {
        let now = SystemClock.now();
        let mut sales = Vec::new();
        for _ in 0..count {
            let form = CreateSaleRequest {
                title: "Kettle".to_owned(),
                price_minor: 1_999,
                currency: "EUR".to_owned(),
                opens_at_ms: now.as_millis().saturating_sub(60_000),
                closes_at_ms: now.saturating_add(Duration::from_secs(86_400)).as_millis(),
                stock,
                // Checked with every purchase; a buyer buys once.
                limit_per_buyer: 2,
                ..CreateSaleRequest::default()
            };
            sales.push(SaleId::new(self.operator.create_sale(form).await?.into_inner().sale_id)?);
        }
        for sale in &sales {
            self.operator.preheat_sale(PreheatSaleRequest { sale_id: sale.get() }).await?;
        }
        // In the order of their ids, so that the last is on sale when all are.
        if let Some(last) = sales.last() {
            for gateway in &self.gateways {
                until_sold(gateway, *last).await?;
            }
        }
        Ok(sales)
    }

    /// Ends sales, so that nobody has to look after them any more.
    pub async fn close_sales(&mut self, sales: &[SaleId]) -> anyhow::Result<()> {
        for sale in sales {
            self.operator.close_sale(CloseSaleRequest { sale_id: sale.get() }).await?;
        }
        Ok(())
    }

    /// The sum of a metric over the gateways.
    pub async fn gateway_metric(&self, name: &str, label: &str) -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for gateway in &self.gateways {
            sum += Metrics::of(gateway.operator).await?.sum(name, label);
        }
        Ok(sum)
    }

    /// Its processes and the servers.
    pub fn watched(&self) -> Vec<Watched> {
        let gateways =
            self.gateways.iter().map(|gateway| Watched { role: "gateway", pid: gateway.process.pid() });
        let mut watched = self.servers.watched.clone();
        watched.extend(gateways);
        watched.push(Watched { role: "worker", pid: self.worker.pid() });
        watched
    }

    /// An error if a process has ended.
    pub fn must_run(&mut self) -> anyhow::Result<()> {
        self.worker.must_run()?;
        self.gateways.iter_mut().try_for_each(|gateway| gateway.process.must_run())
    }

    /// Has everything leave: the gateways first, so that the worker still decides what they commit.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        while !self.gateways.is_empty() {
            self.remove_gateway().await?;
        }
        self.worker.stop().await
    }
}

fn worker_file(prefix: &str, places: &Places) -> PathBuf {
    places.work.join(format!("{prefix}-worker.toml"))
}

async fn start_worker(prefix: &str, places: &Places, address: SocketAddr) -> anyhow::Result<Process> {
    let words = ["serve".to_owned(), "--config".to_owned(), path_text(&worker_file(prefix, places))];
    let program = places.binaries.join("order-worker");
    let mut worker = Process::start(&format!("{prefix}-worker"), &program, &words, &places.work)?;
    until_ready(&mut worker, address).await?;
    Ok(worker)
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

async fn until_ready(process: &mut Process, operator: SocketAddr) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        process.must_run()?;
        let answer = http::get(operator, "/healthz/ready").await;
        if answer.as_ref().is_ok_and(|(status, _body)| *status == 200) {
            return Ok(());
        }
        ensure!(began.elapsed() < READY_TIME, "{operator} does not get ready: {answer:?}");
        sleep(LOOK_INTERVAL).await;
    }
}

async fn until_sold(gateway: &Gateway, sale: SaleId) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let answer = http::get(gateway.http, &format!("/v1/sales/{sale}")).await?;
        if answer.1.contains("\"state\":\"preheated\"") && answer.1.contains("\"paused\":false") {
            return Ok(());
        }
        ensure!(began.elapsed() < READY_TIME, "sale {sale} does not open: {answer:?}");
        sleep(LOOK_INTERVAL).await;
    }
}
