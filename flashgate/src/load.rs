//! `flashgate load`: a load generator that tells what buyers hear, and how long they wait for it.
//!
//! [`args`] become a `plan`; the `crew` of threads sends what the plan's `schedule` and `crowd` say, each `worker`
//! over its `wire`; the `collector` merges what they count every quarter of a second; the `report` tells it.

pub mod args;
mod collector;
mod crew;
mod crowd;
mod deadline;
mod follow;
mod grpc;
mod grpc_stream;
mod http1;
mod http2;
mod http_answer;
mod latencies;
mod outcome;
mod pacer;
mod plan;
mod progress;
mod report;
mod schedule;
mod series;
mod shared;
mod show;
mod tally;
mod target;
mod wire;
mod worker;

use std::{
    fs,
    io::{self, Write},
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use collector::{Collector, Ended};
use flashgate_domain::{Clock, SystemClock};
use pacer::Pacer;
use plan::{Pace, Plan};
use progress::Progress;
use report::Report;
use target::Server;
use tokio::{
    runtime, select,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use worker::Run;

use crate::exit::Failed;

/// How many intervals of all threads wait to be collected at most; 4 a second and thread come.
const INTERVALS_WAITING_MAX: usize = 64;

/// Sends the load, shows its progress, prints the summary and writes the reports.
///
/// # Errors
/// [`Failed::Usage`] for flags that do not fit, [`Failed::Unavailable`] if not one request was answered; the
/// reports are written nevertheless.
pub fn run(args: args::LoadArgs) -> Result<(), Failed> {
    let plan = Arc::new(args.plan()?);
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.map_err(Failed::because)?.block_on(measure(plan))?;
    io::stdout().write_all(report.summary().as_bytes()).map_err(Failed::because)?;
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report).map_err(Failed::because)?;
        write_report(path, &json)?;
    }
    if let Some(path) = &args.html {
        write_report(path, report.html()?.as_bytes())?;
    }
    if report.answers() == 0 {
        return Err(Failed::Unavailable("no request was answered".to_owned()));
    }
    Ok(())
}

fn write_report(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    fs::write(path, bytes)
        .map_err(|why| Failed::Failed(format!("{} cannot be written: {why}", path.display())))
}

/// The whole run, from the first connection to the last answer.
async fn measure(plan: Arc<Plan>) -> Result<Report, Failed> {
    let mut servers: Vec<Server> = Vec::new();
    for target in &plan.targets {
        servers.push(target.resolve().await?);
    }
    let started_at = SystemClock.now();
    let start = Instant::now();
    let pacer = match plan.pace {
        Pace::Closed { .. } => None,
        Pace::Open(schedule) => Some(Pacer::new(schedule, start)),
    };
    let run = Arc::new(Run {
        plan: Arc::clone(&plan),
        start,
        stop: CancellationToken::new(),
        abort: CancellationToken::new(),
        next: AtomicU64::new(0),
        pacer,
    });
    let (sender, intervals) = mpsc::channel(INTERVALS_WAITING_MAX);
    crew::start(&run, &servers, sender)?;
    let progress = Progress::new(&plan);
    let (collector, ended) = collect(&run, intervals, &progress).await?;
    progress.finish();
    Ok(Report::new(&plan, &collector, started_at, run.start.elapsed(), ended))
}

/// Listens to the threads until all have ended. The first signal stops the sending, the second one the waiting.
async fn collect(
    run: &Run,
    mut intervals: mpsc::Receiver<crew::Interval>,
    progress: &Progress,
) -> Result<(Collector, Ended), Failed> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failed::because)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failed::because)?;
    let mut collector = Collector::new(run.start);
    let mut ended = Ended::Done;
    loop {
        select! {
            interval = intervals.recv() => {
                let Some(interval) = interval else { return Ok((collector, ended)) };
                let now = Instant::now();
                collector.add(&interval, now);
                progress.show(now - run.start, &collector.total, &interval.tally, crew::INTERVAL);
                if ended == Ended::Done && collector.only_fails(run.plan.limits.give_up_after, now) {
                    ended = Ended::GaveUp;
                    run.stop.cancel();
                }
            }
            _ = interrupt.recv() => interrupted(run, &mut ended),
            _ = terminate.recv() => interrupted(run, &mut ended),
        }
    }
}

fn interrupted(run: &Run, ended: &mut Ended) {
    if run.stop.is_cancelled() {
        run.abort.cancel();
    }
    *ended = Ended::Interrupted;
    run.stop.cancel();
}
