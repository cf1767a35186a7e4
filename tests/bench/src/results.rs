//! Everything a run has shown: the source of the tables, and of the JSON.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Serialize;

use crate::{
    floors::{Judged, judge},
    machine::Machine,
    number::{float, share},
    plan::{Extent, Measure},
    sample::Sample,
    statistics::Spread,
};

/// More of the processors than this in processes that are none of ours, in half of all repetitions, and a run is
/// noisy.
const FOREIGN_SHARE_MAX: f64 = 0.03;

/// How a run was made.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    /// `quick` or `full`.
    pub extent: String,
    /// What was built.
    pub revision: String,
    /// Whether the servers flush to the disk before they answer.
    pub durable: bool,
    /// How long a load took.
    pub load_seconds: f64,
    /// Where.
    pub machine: Machine,
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How it was made.
    pub setting: Setting,
    /// How long all of it took.
    pub took_seconds: f64,
    /// Check-backs that the gateways answered, by verdict, over the whole run.
    pub check_backs: BTreeMap<String, u64>,
    /// Whether others used the machine.
    pub noisy: bool,
    /// What is demanded.
    pub judged: Vec<Judged>,
    /// Every measure.
    pub measures: Vec<Summary>,
    /// Every repetition.
    pub samples: Vec<Sample>,
}

/// All repetitions of a measure.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Its name.
    pub measure: String,
    /// What it counts, a second.
    pub per_second: Spread,
    /// Latency.
    pub p50_us: Option<Spread>,
    /// Latency.
    pub p99_us: Option<Spread>,
    /// From the answer until the order was confirmed.
    pub confirmed_p99_us: Option<Spread>,
    /// The gateway's memory.
    pub gateway_bytes: Option<Spread>,
    /// Redis' memory.
    pub redis_bytes_per_order: Option<Spread>,
    /// Intents in a batch.
    pub intents_per_batch: Option<Spread>,
    /// Microseconds on the processors for each that was counted, by role.
    pub cpu_us: BTreeMap<&'static str, Spread>,
    /// How many requests had which outcome, over all repetitions.
    pub outcomes: BTreeMap<String, u64>,
    /// Open loop: requests that were due and that no connection was free for.
    pub unsent: u64,
}

impl Results {
    /// What the samples show.
    pub fn new(
        setting: Setting,
        took: Duration,
        samples: &[Sample],
        check_backs: BTreeMap<String, u64>,
    ) -> Self {
        let lost = check_backs.get("commit").copied();
        let foreign = Spread::of(samples.iter().map(|sample| sample.cost.foreign_share));
        Self {
            setting,
            took_seconds: took.as_secs_f64(),
            check_backs,
            noisy: foreign.is_some_and(|spread| spread.median > FOREIGN_SHARE_MAX),
            judged: judge(samples, lost),
            measures: summaries(samples),
            samples: samples.to_vec(),
        }
    }

    /// What is wrong: the stores contradict the answers, or answers came that should not have.
    pub fn wrong(&self) -> Vec<String> {
        let wrong = |sample: &Sample| {
            let wrong = sample.wrong.as_ref()?;
            Some(format!("{} (round {}): {wrong}", sample.measure, sample.round + 1))
        };
        self.samples.iter().filter_map(wrong).collect()
    }

    /// Writes it as JSON.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        Ok(std::fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }
}

impl Setting {
    /// The name of an extent.
    pub fn extent_name(extent: Extent) -> String {
        match extent {
            Extent::Quick => "quick".to_owned(),
            Extent::Full => "full".to_owned(),
        }
    }
}

/// By measure, in the order in which they first came.
fn summaries(samples: &[Sample]) -> Vec<Summary> {
    let mut measures: Vec<Measure> = Vec::new();
    for sample in samples {
        if !measures.contains(&sample.measure) {
            measures.push(sample.measure);
        }
    }
    measures.into_iter().filter_map(|measure| summary(measure, samples)).collect()
}

fn summary(measure: Measure, samples: &[Sample]) -> Option<Summary> {
    let of: Vec<&Sample> = samples.iter().filter(|sample| sample.measure == measure).collect();
    let spread =
        |figure: &dyn Fn(&Sample) -> Option<f64>| Spread::of(of.iter().filter_map(|sample| figure(sample)));
    let number = |count: Option<u64>| count.map(float);
    let mut outcomes = BTreeMap::new();
    for (outcome, count) in of.iter().flat_map(|sample| &sample.outcomes) {
        *outcomes.entry(outcome.clone()).or_default() += count;
    }
    let roles = of.iter().flat_map(|sample| sample.cost.cpu_s.keys().copied());
    let cpu_us = roles.filter_map(|role| Some((role, spread(&|sample| sample.cpu_us(role))?))).collect();
    Some(Summary {
        measure: measure.to_string(),
        per_second: spread(&|sample| Some(sample.per_second))?,
        p50_us: spread(&|sample| number(sample.p50_us)),
        p99_us: spread(&|sample| number(sample.p99_us)),
        confirmed_p99_us: spread(&|sample| number(sample.confirmed_p99_us)),
        gateway_bytes: spread(&|sample| number(sample.gateway_bytes)),
        redis_bytes_per_order: spread(&|sample| sample.redis_bytes_per_order),
        intents_per_batch: spread(&|sample| sample.intents_per_batch),
        cpu_us,
        outcomes,
        unsent: of.iter().map(|sample| sample.unsent).sum(),
    })
}

/// The spread relative to the median, in percent: how far apart repetitions lie.
pub fn apart_percent(spread: &Spread) -> f64 {
    100.0 * share(spread.max - spread.min, spread.median)
}
