//! The sending threads: each has its share of the connections, a runtime and a counter of its own.

use std::{num::NonZeroUsize, sync::Arc, thread, time::Duration};

use flashgate_output::exit::CliError;
use tokio::{
    runtime, select,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    follow::{Followers, LookUp},
    grpc::Grpc,
    grpc_stream,
    http1::Http1,
    http2::Http2,
    plan::{Pace, Plan, Protocol},
    tally::Tally,
    target::Server,
    worker::{Counter, Run, Task, work},
};

/// Interval at which a thread reports its counts.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// The counts of one thread in one interval.
#[derive(Debug)]
pub(super) struct Interval {
    /// The number of the interval, from 0.
    pub(super) number: usize,
    pub(super) tally: Tally,
}

/// Starts the threads. Each ends when the run is over; `intervals` closes when all have ended.
pub(super) fn start(
    run: &Arc<Run>,
    servers: &[Server],
    intervals: mpsc::Sender<Interval>,
) -> Result<(), CliError> {
    let lines = servers.iter().map(|server| Line::new(&run.plan, server)).collect::<Result<Vec<_>, _>>()?;
    if run.pacer.is_some() {
        let run = Arc::clone(run);
        spawn("pacer".to_owned(), move || {
            if let Some(pacer) = &run.pacer {
                pacer.run(&run.plan, &run.stop);
            }
        })?;
    }
    for index in 0..run.plan.threads.get() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| CliError::Other(why.to_string()))?;
        let (run, intervals) = (Arc::clone(run), intervals.clone());
        let places = places(&run.plan, &lines, index);
        spawn(format!("load-{index}"), move || runtime.block_on(send(run, places, intervals)))?;
    }
    Ok(())
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<(), CliError> {
    let started = thread::Builder::new().name(name).spawn(run);
    started.map(drop).map_err(|why| CliError::Other(format!("no thread can be started: {why}")))
}

/// The client of one server.
#[derive(Clone, Debug)]
enum Line {
    Http1(Http1),
    Http2(Http2, Http1),
    Grpc(Arc<Grpc>),
    GrpcStream(Arc<Grpc>),
}

impl Line {
    fn new(plan: &Arc<Plan>, server: &Server) -> Result<Self, CliError> {
        Ok(match plan.protocol {
            Protocol::Http1 => Self::Http1(Http1::new(plan, server)),
            Protocol::Http2 => Self::Http2(Http2::new(plan, server)?, Http1::new(plan, server)),
            Protocol::Grpc => Self::Grpc(Grpc::new(plan, server)?),
            Protocol::GrpcStream => Self::GrpcStream(Grpc::new(plan, server)?),
        })
    }

    fn look_up(&self) -> LookUp {
        match self {
            Self::Http1(http) | Self::Http2(_, http) => LookUp::Http(http.clone()),
            Self::Grpc(grpc) | Self::GrpcStream(grpc) => LookUp::Grpc(Arc::clone(grpc)),
        }
    }

    /// Starts the workers of one connection.
    fn start(&self, task: &Task, workers: &mut JoinSet<()>) {
        let task = || task.clone();
        match self {
            Self::Http1(http) => drop(workers.spawn(work(task(), http.wire()))),
            Self::Http2(http, _) => http.wires().for_each(|wire| drop(workers.spawn(work(task(), wire)))),
            Self::Grpc(grpc) => grpc.wires().for_each(|wire| drop(workers.spawn(work(task(), wire)))),
            Self::GrpcStream(grpc) => {
                grpc_stream::wires(grpc).for_each(|wire| drop(workers.spawn(work(task(), wire))));
            }
        }
    }
}

/// A connection: its client, and its number among all.
struct Place {
    line: Line,
    number: usize,
}

/// The connections of thread `index`: they are assigned in turn.
fn places(plan: &Plan, lines: &[Line], index: usize) -> Vec<Place> {
    let mine = (index..plan.connections.get()).step_by(plan.threads.get());
    let place = |number: usize| {
        let line = lines.get(number % lines.len().max(1))?.clone();
        Some(Place { line, number })
    };
    mine.filter_map(place).collect()
}

/// The work of one thread.
async fn send(run: Arc<Run>, places: Vec<Place>, intervals: mpsc::Sender<Interval>) {
    let counter = Arc::new(Counter::new());
    let mut workers = JoinSet::new();
    let Some(first) = places.first() else { return };
    let share = share(run.plan.followers, first.number, run.plan.threads);
    let followers = Arc::new(Followers::new(share, first.line.look_up(), Arc::clone(&counter)));
    for place in &places {
        let (run, counter, followers) = (Arc::clone(&run), Arc::clone(&counter), Arc::clone(&followers));
        let delay = delay(&run.plan, place.number);
        place.line.start(&Task { run, counter, followers, delay }, &mut workers);
    }
    let done = CancellationToken::new();
    let reporter =
        tokio::spawn(report(Arc::clone(&run), Arc::clone(&counter), intervals.clone(), done.clone()));
    select! {
        () = finish(workers, &followers) => {}
        () = run.abort.cancelled() => {}
    }
    done.cancel();
    // The rest belongs to the interval after the last reported one, even if that is full.
    let number = reporter.await.unwrap_or_else(|_panicked| interval_number(&run));
    // The receiver is gone only if the process is about to end.
    let _ = intervals.send(Interval { number, tally: counter.take() }).await;
}

async fn finish(mut workers: JoinSet<()>, followers: &Followers) {
    while workers.join_next().await.is_some() {}
    followers.tasks.close();
    followers.tasks.wait().await;
}

/// Reports the counts repeatedly, until all is `done`. Returns the number of the current interval.
async fn report(
    run: Arc<Run>,
    counter: Arc<Counter>,
    intervals: mpsc::Sender<Interval>,
    done: CancellationToken,
) -> usize {
    let (mut next, mut current) = (run.start, 0);
    loop {
        next += INTERVAL;
        select! {
            () = sleep_until(next) => {}
            () = done.cancelled() => return current,
        }
        let number = interval_number(&run).saturating_sub(1);
        current = number + 1;
        if intervals.send(Interval { number, tally: counter.take() }).await.is_err() {
            return current;
        }
    }
}

fn interval_number(run: &Run) -> usize {
    let since_start = Instant::now().saturating_duration_since(run.start);
    usize::try_from(since_start.as_millis() / INTERVAL.as_millis()).unwrap_or(usize::MAX)
}

/// The part of `count` for place `number` of `places`.
fn share(count: usize, number: usize, places: NonZeroUsize) -> usize {
    count / places + usize::from(number < count % places)
}

/// When connection `number` begins, after the start.
fn delay(plan: &Plan, number: usize) -> Duration {
    match plan.pace {
        Pace::Open(_) => Duration::ZERO,
        Pace::Closed { ramp } => {
            let part = u32::try_from(number).unwrap_or(u32::MAX);
            ramp * part / u32::try_from(plan.connections.get()).unwrap_or(u32::MAX)
        }
    }
}
