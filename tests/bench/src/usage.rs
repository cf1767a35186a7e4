//! What processes cost: time on the processor and memory, as `/proc` tells.

use std::{collections::BTreeMap, fs, thread, time::Duration};

use anyhow::Context;
use serde::Serialize;
use tokio::time::Instant;

use crate::number::{float, share};

/// The unit of times in `/proc`: a hundredth of a second on every Linux, whatever the kernel's own tick is.
const TICK: Duration = Duration::from_millis(10);

/// What is measured beside the load.
#[derive(Clone, Debug)]
pub struct Watched {
    /// What the process is called in the tables.
    pub role: &'static str,
    /// Its id.
    pub pid: u32,
}

/// Time on the processors since [`Meter::start`].
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cost {
    /// User and system time in seconds, by role.
    pub cpu_s: BTreeMap<&'static str, f64>,
    /// The part of all processor time that went to processes that are none of ours.
    pub foreign_share: f64,
    /// The part of all processor time that the host gave to other machines.
    pub stolen_share: f64,
}

/// Measures from its start on.
#[derive(Debug)]
pub struct Meter {
    watched: Vec<Watched>,
    ticks: Vec<u64>,
    children: u64,
    machine: Machine,
    started: Instant,
}

/// Ticks of the whole machine.
#[derive(Clone, Copy, Debug)]
struct Machine {
    /// In processes.
    busy: u64,
    stolen: u64,
}

impl Meter {
    /// Begins. The load generator is a child of this process that ends before [`Meter::stop`].
    pub fn start(watched: Vec<Watched>) -> anyhow::Result<Self> {
        let ticks = watched.iter().map(|process| ticks(process.pid)).collect::<anyhow::Result<_>>()?;
        Ok(Self { ticks, children: children()?, machine: machine()?, watched, started: Instant::now() })
    }

    /// What it cost so far.
    pub fn stop(self) -> anyhow::Result<Cost> {
        let mut cost = Cost::default();
        let mut ours = 0;
        for (process, before) in self.watched.iter().zip(&self.ticks) {
            let spent = ticks(process.pid)?.saturating_sub(*before);
            ours += spent;
            *cost.cpu_s.entry(process.role).or_default() += seconds(spent);
        }
        let load = children()?.saturating_sub(self.children);
        cost.cpu_s.insert("load", seconds(load));
        let now = machine()?;
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let all = self.started.elapsed().as_secs_f64() * float(u64::try_from(processors)?);
        let busy = now.busy.saturating_sub(self.machine.busy);
        cost.foreign_share = share(seconds(busy.saturating_sub(ours + load)), all);
        cost.stolen_share = share(seconds(now.stolen.saturating_sub(self.machine.stolen)), all);
        Ok(cost)
    }
}

/// Memory of a process that is in no file: what it has written itself.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).with_context(|| path.clone())?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context(path)?;
    Ok(kib * 1024)
}

fn seconds(ticks: u64) -> f64 {
    float(ticks) * TICK.as_secs_f64()
}

/// Fields 14 and 15 of `stat`: user and system time.
fn ticks(pid: u32) -> anyhow::Result<u64> {
    times(&format!("/proc/{pid}/stat"), 14)
}

/// Fields 16 and 17 of our own: those of children that have ended and were waited for.
fn children() -> anyhow::Result<u64> {
    times("/proc/self/stat", 16)
}

/// The sum of two neighbouring fields, counted from 1. The name in field 2 may hold blanks and brackets.
fn times(path: &str, field: usize) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let (_, fields) = stat.rsplit_once(") ").with_context(|| path.to_owned())?;
    let mut fields = fields.split(' ').skip(field - 3);
    let mut next =
        || fields.next().and_then(|text| text.parse::<u64>().ok()).with_context(|| path.to_owned());
    Ok(next()? + next()?)
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn machine() -> anyhow::Result<Machine> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let numbers: Vec<u64> = line.split_whitespace().skip(1).filter_map(|text| text.parse().ok()).collect();
    match numbers.as_slice() {
        [user, nice, system, _idle, _iowait, _irq, _softirq, stolen, ..] => {
            Ok(Machine { busy: user + nice + system, stolen: *stolen })
        }
        _ => anyhow::bail!("/proc/stat: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_a_watched_process_is_counted() {
        let me = Watched { role: "me", pid: std::process::id() };
        let meter = Meter::start(vec![me]).unwrap();
        let began = Instant::now();
        let mut sum = 0_u64;
        while began.elapsed() < Duration::from_millis(300) {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        assert!(sum > 0);
        let cost = meter.stop().unwrap();
        assert!(cost.cpu_s["me"] >= 0.02, "{cost:?}");
    }

    #[test]
    fn a_process_takes_memory() {
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
    }
}
