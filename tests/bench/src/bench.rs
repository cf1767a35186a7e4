//! What is measured, and everything that is needed for it.

mod buying;
mod draining;
mod rivals;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use flashgate_domain::SaleId;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};

use crate::{
    deployment::{Deployment, Places},
    http,
    load::{Aim, Load},
    plan::{Buys, Extent, Measure},
    ports::free_address,
    process::Process,
    sample::Sample,
    servers::Servers,
    statistics::Spread,
};

/// The topics with these prefixes are there: `scripts/bench` makes them.
const SHOP_PREFIX: &str = "bench";
const ONE_ORDER_PREFIX: &str = "bench-one";
/// More than any load sells.
const STOCK: u64 = 100_000_000;
/// As a production gateway, but for the backlogs of the drains.
const BATCHER: &str = "backlog_orders_max = 3000000";

/// A server of one program.
struct Rival {
    process: Process,
    address: SocketAddr,
}

/// What the Java rival needs.
#[derive(Clone, Debug)]
pub struct Java {
    /// Its class and RocketMQ's client.
    pub class_path: String,
    /// The local transaction.
    pub script: PathBuf,
}

/// A run of the benchmark.
pub struct Bench {
    extent: Extent,
    load_time: Duration,
    servers: Servers,
    places: Places,
    java: Java,
    redis: MultiplexedConnection,
    shop: Deployment,
    /// The rival with batches of one: how many lanes it has, and the rest.
    one_order: Option<(usize, Deployment)>,
    echo: Rival,
    one_script: Rival,
    /// Sales that several measures share, since a thousand take a while to open.
    many_sales: Vec<SaleId>,
    samples: Vec<Sample>,
    loads: usize,
}

impl Bench {
    /// Starts what every measure needs.
    pub async fn start(
        extent: Extent,
        load_time: Duration,
        servers: Servers,
        places: Places,
        java: Java,
    ) -> anyhow::Result<Self> {
        let redis_client = redis::Client::open(&*servers.redis_url)?;
        let mut redis = redis_client.get_multiplexed_async_connection().await?;
        // A rewrite of the log would fall into one measure and not into its neighbour.
        let mut no_rewrite = redis::cmd("CONFIG");
        no_rewrite.arg("SET").arg("auto-aof-rewrite-percentage").arg(0);
        let () = no_rewrite.query_async(&mut redis).await?;
        let mut shop = Deployment::start(SHOP_PREFIX, &servers, &places).await?;
        shop.add_gateway(BATCHER).await?;
        let echo = Rival::start("rival-echo", &places, |address| vec![address.to_string()]).await?;
        let one_script = Rival::start("rival-one-script", &places, |address| {
            vec![address.to_string(), servers.redis_url.clone()]
        })
        .await?;
        Ok(Self {
            extent,
            load_time,
            servers,
            places,
            java,
            redis,
            shop,
            one_order: None,
            echo,
            one_script,
            many_sales: Vec::new(),
            samples: Vec::new(),
            loads: 0,
        })
    }

    /// Everything that was measured.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The deployment that the headlines are of.
    pub const fn shop(&self) -> &Deployment {
        &self.shop
    }

    /// Runs a measure and remembers nothing of it. How much it counted a second.
    pub async fn warm_up(&mut self, measure: Measure) -> anyhow::Result<f64> {
        let sample = self.take(measure).await.with_context(|| measure.to_string())?;
        Ok(sample.per_second)
    }

    /// One repetition.
    pub async fn repeat(
        &mut self,
        section: &'static str,
        round: usize,
        measure: Measure,
    ) -> anyhow::Result<&Sample> {
        let sample = self.take(measure).await.with_context(|| measure.to_string())?;
        self.samples.push(Sample { section, round, ..sample });
        self.samples.last().context("a sample")
    }

    async fn take(&mut self, measure: Measure) -> anyhow::Result<Sample> {
        self.shop.must_run()?;
        self.echo.process.must_run()?;
        self.one_script.process.must_run()?;
        match measure {
            Measure::Echo { connections } => self.echo(measure, connections).await,
            Measure::Buys(buys) => self.buys(measure, buys).await,
            Measure::SoldOut { connections } => self.sold_out(measure, connections).await,
            Measure::OneOrderAMessage { lanes, connections } => {
                self.one_order_a_message(measure, lanes, connections).await
            }
            Measure::OneScript { connections } => self.one_script(measure, connections).await,
            Measure::Java { threads } => self.java(measure, threads).await,
            Measure::OneTransaction { connections } => self.one_transaction(measure, connections).await,
            Measure::Drain { sales } => self.drain(measure, sales).await,
            Measure::Confirmed { percent } => self.confirmed(measure, percent).await,
            Measure::Overload { times } => self.overload(measure, times).await,
        }
    }

    /// What the gateway can take: accepted purchases a second with 256 connections.
    fn capacity(&self) -> anyhow::Result<f64> {
        let plain = Measure::Buys(Buys::at(256));
        let rates = self.samples.iter().filter(|sample| sample.measure == plain);
        let spread = Spread::of(rates.map(|sample| sample.per_second));
        Ok(spread.with_context(|| format!("{plain} must be measured before"))?.median)
    }

    fn closed(&self, target: SocketAddr, aim: Aim, connections: usize) -> Load {
        Load::closed(format!("http://{target}"), aim, connections, self.load_time)
    }

    /// A name for the reports of a load that no other load of this run has.
    fn load_name(&mut self, measure: Measure) -> String {
        self.loads += 1;
        let name = measure.to_string().replace(['/', '@', '=', '%'], "-");
        format!("{:03}-{name}", self.loads)
    }

    async fn many_sales(&mut self, count: usize) -> anyhow::Result<Vec<SaleId>> {
        if self.many_sales.len() < count {
            // Opened in one go, so that their ids are a row of numbers.
            self.many_sales = self.shop.open_sales(count, STOCK).await?;
        }
        Ok(self.many_sales[..count].to_vec())
    }

    /// Has everything leave.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.shop.stop().await?;
        if let Some((_lanes, deployment)) = self.one_order {
            deployment.stop().await?;
        }
        self.echo.process.stop().await?;
        self.one_script.process.stop().await
    }
}

impl Rival {
    async fn start(
        name: &str,
        places: &Places,
        words: impl FnOnce(SocketAddr) -> Vec<String>,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut process = Process::start(name, &places.binaries.join(name), &words(address), &places.work)?;
        let began = Instant::now();
        // Any answer will do.
        while http::get(address, "/").await.is_err() {
            process.must_run()?;
            anyhow::ensure!(began.elapsed() < Duration::from_secs(10), "{name} does not answer");
            sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { process, address })
    }
}
