//! `flashgate load`: a load generator that measures the answers to buyers, and their latency.
//!
//! [`args`] become a `plan`; the `crew` of threads sends what the plan's `schedule` and `crowd` determine, each
//! `worker` over its `wire`; the `collector` merges their counts every quarter of a second; the `report` presents
//! them.
//!
//! # HTTP/1.1 without hyper
//!
//! HTTP/2 and gRPC use the clients of hyper and tonic. The client of HTTP/1.1 is our own, on tokio and httparse: the
//! generator shares its processors with the servers that it measures, so its time lowers their rates. Both clients
//! sent the same requests, `hyper::client::conn::http1` with a connection per worker, and once more tuned: the worker
//! polls the connection itself, reads have a buffer of 4 KiB, and headers are copied from a template. Medians of five
//! rounds in turns of 300,000 requests, on one thread, on 2 cores of an AMD EPYC that other processes used too:
//!
//! | per request | own | hyper | hyper, tuned |
//! |---|---|---|---|
//! | processor time, 64 connections | 9.7 µs | 13.4 µs | 13.0 µs |
//! | processor time, 256 connections | 10.8 µs | 20.6 µs | 17.4 µs |
//! | instructions outside the kernel | 4,700 | 26,200 | 24,600 |
//!
//! ```sh
//! taskset -c 1 rival-echo 127.0.0.1:9000 &
//! time taskset -c 0 flashgate load --target http://127.0.0.1:9000 --echo -c 256 -n 300000   # user + sys
//! valgrind --tool=callgrind flashgate load --target http://127.0.0.1:9000 --echo -n 15000   # less those of -n 5000
//! ```

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
mod ratio;
mod report;
mod report_file;
pub mod rush;
mod schedule;
mod series;
mod shared;
mod show;
mod tally;
mod target;
mod wire;
mod worker;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use collector::{Collector, Ended};
use crowd::Ask;
use flashgate_domain::{Clock, SystemClock, Timestamp};
use flashgate_output::{exit::CliError, print};
use pacer::Pacer;
use plan::{Pace, Plan};
use progress::Progress;
use report::Report;
use report_file::ReportFile;
use rush::Receipts;
use tally::Tally;
use target::Server;
use tokio::{
    runtime, select,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use worker::Run;

/// Maximum intervals of all threads that wait to be collected; each thread sends 4 per second.
const INTERVALS_WAITING_MAX: usize = 64;

/// Sends the load, shows its progress, prints the summary and writes the reports.
///
/// # Errors
/// [`CliError::Usage`] for invalid flags and reports that cannot be written, before anything is sent. After the
/// run, with its reports written: the error of `Report::verdict`.
pub fn run(args: args::LoadArgs) -> Result<(), CliError> {
    let plan = Arc::new(args.plan()?);
    let json = ReportFile::open("--json", args.json.as_deref())?;
    let html = ReportFile::open("--html", args.html.as_deref())?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.map_err(CliError::other)?.block_on(report(plan))?;
    // Each is tried, even if another fails: a run cannot be repeated.
    let json = json.map_or(Ok(()), |file| file.write(&report.json()?));
    let html = html.map_or(Ok(()), |file| file.write(report.html()?.as_bytes()));
    let printed = print(report.summary());
    json.and(html)?;
    printed?;
    report.verdict()
}

/// Runs with progress on the terminal, and returns the report.
async fn report(plan: Arc<Plan>) -> Result<Report, CliError> {
    let progress = Progress::new(&plan);
    let measured = measure(Arc::clone(&plan), |elapsed, total, last| {
        progress.show(elapsed, total, last, crew::INTERVAL)
    })
    .await?;
    progress.finish();
    let Measured { collector, started_at, elapsed, ended, receipts: _ } = measured;
    Ok(Report::new(&plan, &collector, started_at, elapsed, ended))
}

/// The results of a run.
struct Measured {
    collector: Collector,
    started_at: Timestamp,
    elapsed: Duration,
    ended: Ended,
    /// Empty unless the plan keeps them.
    receipts: Vec<(Ask, u64)>,
}

/// The whole run, from the first connection to the last answer. `show` gets each interval: the time since the
/// start, the total counts, and the last counts.
async fn measure(plan: Arc<Plan>, show: impl FnMut(Duration, &Tally, &Tally)) -> Result<Measured, CliError> {
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
        receipts: Receipts::default(),
    });
    let (sender, intervals) = mpsc::channel(INTERVALS_WAITING_MAX);
    crew::start(&run, &servers, sender)?;
    let (collector, ended) = collect(&run, intervals, show).await?;
    let (elapsed, receipts) = (run.start.elapsed(), run.receipts.take());
    Ok(Measured { collector, started_at, elapsed, ended, receipts })
}

/// Collects from the threads until all have ended. The first signal stops the sending, the second the waiting.
async fn collect(
    run: &Run,
    mut intervals: mpsc::Receiver<crew::Interval>,
    mut show: impl FnMut(Duration, &Tally, &Tally),
) -> Result<(Collector, Ended), CliError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::other)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::other)?;
    let mut collector = Collector::new(run.start);
    let mut ended = Ended::Done;
    loop {
        select! {
            interval = intervals.recv() => {
                let Some(interval) = interval else { return Ok((collector, ended)) };
                let now = Instant::now();
                collector.add(&interval, now);
                show(now - run.start, &collector.total, &interval.tally);
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
