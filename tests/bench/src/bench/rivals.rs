//! What flashgate is compared with.

use std::{path::Path, time::Duration};

use anyhow::Context;
use flashgate_domain::SaleId;
use serde::Deserialize;

use super::{Bench, STOCK};
use crate::{
    load::Aim,
    number::float,
    plan::Measure,
    process,
    sample::Sample,
    servers::Flush,
    usage::{Meter, Watched},
};

/// What the JVM's compiler needs.
const JAVA_WARM_UP: Duration = Duration::from_secs(2);

/// What the rivals that bring their own load print.
#[derive(Debug, Deserialize)]
struct Told {
    orders: u64,
    seconds: f64,
    #[serde(default)]
    failed: u64,
    /// Java: with what was ordered while it warmed up.
    accepted_in_all: Option<u64>,
    taken_in_all: Option<u64>,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
}

impl Bench {
    pub(super) async fn echo(&mut self, measure: Measure, connections: usize) -> anyhow::Result<Sample> {
        let name = self.load_name(measure);
        let meter = Meter::start(vec![Watched { role: "rival", pid: self.echo.process.pid() }])?;
        let load = self.closed(self.echo.address, Aim::Echo, connections);
        let report = load.run(&name, &self.places).await?;
        let sample = Sample::of_answers(measure, &report, &["answered"], &[]);
        Ok(Sample { cost: meter.stop()?, ..sample })
    }

    pub(super) async fn one_script(
        &mut self,
        measure: Measure,
        connections: usize,
    ) -> anyhow::Result<Sample> {
        let name = self.load_name(measure);
        let sale = SaleId::new(u64::try_from(self.loads)?)?;
        let key = |what: &str| format!("one-script:{{{sale}}}:{what}");
        let () = redis::cmd("SET").arg(key("left")).arg(STOCK).query_async(&mut self.redis).await?;
        let mut watched = self.servers.watched.clone();
        watched.push(Watched { role: "rival", pid: self.one_script.process.pid() });
        let meter = Meter::start(watched)?;
        let load = self.closed(self.one_script.address, Aim::Sales(vec![sale]), connections);
        let report = load.run(&name, &self.places).await?;
        let cost = meter.stop()?;
        let mut sample = Sample { cost, ..Sample::of_answers(measure, &report, &["accepted"], &[]) };
        let left: u64 = redis::cmd("GET").arg(key("left")).query_async(&mut self.redis).await?;
        let (heard, sold) = (report.outcome("accepted"), STOCK - left);
        sample.blame((heard != sold).then(|| format!("heard {heard}, sold {sold}")));
        let keys = ["left", "held", "keys"].map(key);
        let () = redis::cmd("UNLINK").arg(&keys).query_async(&mut self.redis).await?;
        Ok(sample)
    }

    pub(super) async fn java(&mut self, measure: Measure, threads: usize) -> anyhow::Result<Sample> {
        self.loads += 1;
        let words = [
            format!("-Duser.home={}", self.places.work.display()),
            "-cp".to_owned(),
            self.java.class_path.clone(),
            "flashgate.OneOrderAMessage".to_owned(),
            self.servers.name_server.clone(),
            "bench-java".to_owned(),
            self.servers.redis_port().to_owned(),
            self.java.script.display().to_string(),
            format!("run-{}", self.loads),
            threads.to_string(),
            JAVA_WARM_UP.as_secs_f64().to_string(),
            self.load_time.as_secs_f64().to_string(),
        ];
        let told = told(&process::output(Path::new("java"), &words).await?)?;
        let mut sample = told.sample(measure);
        let (accepted, taken) = (told.accepted_in_all, told.taken_in_all);
        // A message that failed after its deduction is left to the check-back.
        let differ = accepted != taken && told.failed == 0;
        sample.blame(differ.then(|| format!("accepted {accepted:?}, taken {taken:?}")));
        Ok(sample)
    }

    pub(super) async fn one_transaction(
        &mut self,
        measure: Measure,
        connections: usize,
    ) -> anyhow::Result<Sample> {
        let flush = Flush::DURABLE.set(&self.shop.pool).await?;
        let url = self.servers.database("flashgate_bench").await?;
        let seconds = self.load_time.as_secs_f64();
        let words = [url, connections.to_string(), seconds.to_string()];
        let printed = process::output(&self.places.binaries.join("rival-one-transaction"), &words).await;
        flush.set(&self.shop.pool).await?;
        Ok(told(&printed?)?.sample(measure))
    }
}

fn told(printed: &str) -> anyhow::Result<Told> {
    // Whatever a library prints comes before.
    let line = printed.lines().rev().find(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("no figures in {printed:?}"))?;
    Ok(serde_json::from_str(line)?)
}

impl Told {
    fn sample(&self, measure: Measure) -> Sample {
        let mut sample = Sample::new(measure, self.orders, Duration::from_secs_f64(self.seconds));
        (sample.p50_us, sample.p99_us) = (self.p50_us, self.p99_us);
        let few_failed = float(self.failed) <= 0.01 * float(self.orders);
        sample.blame((!few_failed).then(|| format!("{} failed", self.failed)));
        sample.outcomes.insert("accepted".to_owned(), self.orders);
        if self.failed > 0 {
            sample.outcomes.insert("failed".to_owned(), self.failed);
        }
        sample
    }
}
