//! Loads on gateways, and what the stores say about them afterwards.

use std::time::Duration;

use anyhow::ensure;
use flashgate_domain::SaleId;
use tokio::{
    select,
    time::{Instant, interval, sleep},
};

use super::{BATCHER, Bench, ONE_ORDER_PREFIX, STOCK};
use crate::{
    books::redis_bytes,
    deployment::{Deployment, Places},
    load::{Aim, Load, LoadReport, Protocol},
    number::{float, share, whole},
    plan::{Buys, Measure, Worker},
    sample::Sample,
    usage::{Meter, resident_bytes},
};

/// How often memory is looked at while a load runs.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a gateway may take to learn that a sale is sold out.
const MARK_TIME: Duration = Duration::from_secs(20);
/// Units of the sale that is sold out before its measure.
const FEW_UNITS: u64 = 1_000;
/// Orders that are followed at a time until they are confirmed.
const FOLLOWED: usize = 16;
/// In an overload: so many streams, with so many requests at once. More than the queue of a gateway holds.
const STREAMS: usize = 16;
const STREAM_REQUESTS: usize = 4_000;
const SETTLED_BATCHES: &str = "flashgate_gateway_settled_batches_total";
const SOLD_OUT_MARKS: &str = "flashgate_gateway_sold_out_marks_total";

impl Bench {
    pub(super) async fn buys(&mut self, measure: Measure, buys: Buys) -> anyhow::Result<Sample> {
        while self.shop.gateways.len() < buys.gateways {
            self.shop.add_gateway(BATCHER).await?;
        }
        let is_shared = buys.sales > 1;
        let sales = if is_shared {
            self.many_sales(buys.sales).await?
        } else {
            self.shop.open_sales(1, STOCK).await?
        };
        let name = self.load_name(measure);
        let gateways = self.shop.gateways.iter().take(buys.gateways);
        let targets = gateways.map(|gateway| match buys.protocol {
            Protocol::Http1 => format!("http://{}", gateway.http),
            Protocol::Grpc | Protocol::GrpcStream => format!("http://{}", gateway.grpc),
        });
        let load = Load {
            targets: targets.collect(),
            protocol: buys.protocol,
            in_flight: buys.in_flight,
            duplicates_percent: buys.duplicates_percent,
            ..Load::closed(String::new(), Aim::Sales(sales.clone()), buys.connections, self.load_time)
        };
        let allowed = if buys.duplicates_percent > 0 { &["replayed"][..] } else { &[] };
        let attempt = Attempt { measure, name, load, sales: &sales, allowed, worker: buys.worker };
        let sample = attempt.run(&mut self.shop, &self.places).await?;
        while self.shop.gateways.len() > 1 {
            self.shop.remove_gateway().await?;
        }
        if !is_shared {
            self.shop.close_sales(&sales).await?;
        }
        Ok(sample)
    }

    pub(super) async fn one_order_a_message(
        &mut self,
        measure: Measure,
        lanes: usize,
        connections: usize,
    ) -> anyhow::Result<Sample> {
        let mut deployment = match self.one_order.take() {
            Some((_other_lanes, deployment)) => deployment,
            None => Deployment::start(ONE_ORDER_PREFIX, &self.servers, &self.places).await?,
        };
        // Always a new one: whatever it has been told before, it has these lanes now.
        if !deployment.gateways.is_empty() {
            deployment.remove_gateway().await?;
        }
        deployment.add_gateway(&format!("batch_intents_max = 1\nlanes_per_shard = {lanes}")).await?;
        let sales = deployment.open_sales(1, STOCK).await?;
        let target = deployment.gateways.first().map(|gateway| gateway.http);
        let load = match target {
            Some(target) => self.closed(target, Aim::Sales(sales.clone()), connections),
            None => anyhow::bail!("no gateway"),
        };
        let name = self.load_name(measure);
        let attempt = Attempt { measure, name, load, sales: &sales, allowed: &[], worker: Worker::Free };
        let sample = attempt.run(&mut deployment, &self.places).await?;
        deployment.close_sales(&sales).await?;
        self.one_order = Some((lanes, deployment));
        Ok(sample)
    }

    pub(super) async fn sold_out(&mut self, measure: Measure, connections: usize) -> anyhow::Result<Sample> {
        let marks = self.shop.gateway_metric(SOLD_OUT_MARKS, "").await?;
        let sales = self.shop.open_sales(1, FEW_UNITS).await?;
        let target = self.http_target()?;
        let buy_out = Load {
            time: None,
            requests: Some(2 * FEW_UNITS),
            ..Load::closed(target.clone(), Aim::Sales(sales.clone()), 64, self.load_time)
        };
        let name = self.load_name(measure);
        let bought = buy_out.run(&name, &self.places).await?;
        self.shop.settle().await?;
        let began = Instant::now();
        while self.shop.gateway_metric(SOLD_OUT_MARKS, "").await? <= marks {
            ensure!(began.elapsed() < MARK_TIME, "the gateway does not learn that {sales:?} is sold out");
            sleep(LOOK_INTERVAL).await;
        }
        let name = self.load_name(measure);
        let meter = Meter::start(self.shop.watched())?;
        let load = Load::closed(target, Aim::Sales(sales.clone()), connections, self.load_time);
        let report = load.run(&name, &self.places).await?;
        let mut sample = Sample::of_answers(measure, &report, &["sold_out"], &[]);
        sample.cost = meter.stop()?;
        sample.blame(self.shop.books(&sales).await?.contradiction(&bought));
        self.shop.close_sales(&sales).await?;
        Ok(sample)
    }

    pub(super) async fn confirmed(&mut self, measure: Measure, percent: u32) -> anyhow::Result<Sample> {
        let rate = self.capacity()? * f64::from(percent) / 100.0;
        let sales = self.shop.open_sales(1, STOCK).await?;
        let load = Load {
            rate: Some(rate),
            followed: FOLLOWED,
            time: Some(2 * self.load_time),
            ..Load::closed(self.http_target()?, Aim::Sales(sales.clone()), 256, self.load_time)
        };
        let name = self.load_name(measure);
        let attempt = Attempt { measure, name, load, sales: &sales, allowed: &[], worker: Worker::Free };
        let sample = attempt.run(&mut self.shop, &self.places).await?;
        self.shop.close_sales(&sales).await?;
        Ok(sample)
    }

    pub(super) async fn overload(&mut self, measure: Measure, times: u32) -> anyhow::Result<Sample> {
        let rate = self.capacity()? * f64::from(times);
        let sales = self.shop.open_sales(1, STOCK).await?;
        let target = self.shop.gateways.first().map(|gateway| format!("http://{}", gateway.grpc));
        let load = Load {
            targets: target.into_iter().collect(),
            protocol: Protocol::GrpcStream,
            in_flight: STREAM_REQUESTS,
            rate: Some(rate),
            time: Some(2 * self.load_time),
            ..Load::closed(String::new(), Aim::Sales(sales.clone()), STREAMS, self.load_time)
        };
        let name = self.load_name(measure);
        let allowed = &["unavailable"];
        let attempt = Attempt { measure, name, load, sales: &sales, allowed, worker: Worker::Free };
        let sample = attempt.run(&mut self.shop, &self.places).await?;
        self.shop.close_sales(&sales).await?;
        Ok(sample)
    }

    pub(super) fn http_target(&self) -> anyhow::Result<String> {
        match self.shop.gateways.first() {
            Some(gateway) => Ok(format!("http://{}", gateway.http)),
            None => anyhow::bail!("no gateway"),
        }
    }
}

/// A load of purchases on a deployment.
struct Attempt<'a> {
    measure: Measure,
    name: String,
    load: Load,
    sales: &'a [SaleId],
    /// Outcomes beside `accepted` that are no fault.
    allowed: &'a [&'a str],
    worker: Worker,
}

impl Attempt<'_> {
    /// Runs it, waits until everything is settled, and compares what was heard with what was sold.
    async fn run(self, deployment: &mut Deployment, places: &Places) -> anyhow::Result<Sample> {
        let before = deployment.books(self.sales).await?;
        let batches_before = deployment.gateway_metric(SETTLED_BATCHES, "").await?;
        let redis_before = redis_bytes(&mut deployment.redis).await?;
        match self.worker {
            Worker::Free => {}
            Worker::Paced { orders_per_second } => deployment.pace_worker(orders_per_second).await?,
            Worker::Stopped => deployment.worker.freeze()?,
        }
        let meter = Meter::start(deployment.watched())?;
        let ran = run_watching_memory(&self.load, &self.name, deployment, places).await;
        if self.worker == Worker::Stopped {
            deployment.worker.thaw()?;
        }
        let (report, gateway_bytes) = ran?;
        let cost = if matches!(self.worker, Worker::Paced { .. }) {
            // What waits in the broker is not waited for at that pace.
            let cost = meter.stop()?;
            deployment.pace_worker(0).await?;
            deployment.settle().await?;
            cost
        } else {
            deployment.settle().await?;
            meter.stop()?
        };
        let sold = deployment.books(self.sales).await?.since(before);
        let batches = deployment.gateway_metric(SETTLED_BATCHES, "").await? - batches_before;
        let redis_grew = redis_bytes(&mut deployment.redis).await?.saturating_sub(redis_before);
        let mut sample = Sample::of_answers(self.measure, &report, &["accepted"], self.allowed);
        sample.blame(sold.contradiction(&report));
        Ok(Sample {
            cost,
            gateway_bytes,
            redis_bytes_per_order: (sold.orders > 0).then(|| share(float(redis_grew), float(sold.orders))),
            intents_per_batch: (whole(batches) > 0).then(|| share(float(sold.orders), batches)),
            ..sample
        })
    }
}

/// The load's report, and the most that the first gateway held in memory while it ran.
async fn run_watching_memory(
    load: &Load,
    name: &str,
    deployment: &Deployment,
    places: &Places,
) -> anyhow::Result<(LoadReport, Option<u64>)> {
    let gateway = deployment.gateways.first().map(|gateway| gateway.process.pid());
    let mut looks = interval(LOOK_INTERVAL);
    let mut most = None;
    let mut loading = std::pin::pin!(load.run(name, places));
    loop {
        select! {
            report = &mut loading => return Ok((report?, most)),
            _ = looks.tick() => {
                if let Some(pid) = gateway {
                    most = most.max(Some(resident_bytes(pid)?));
                }
            }
        }
    }
}
