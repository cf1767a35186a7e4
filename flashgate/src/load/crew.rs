//! The threads that send: each has its share of the connections, a runtime and a counter of its own.

use std::{io, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use tokio::{
    runtime, select,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use tokio_util::sync::CancellationToken;

use super::{
    follow::Followers,
    http1::Http1,
    plan::{Pace, Plan, Protocol},
    tally::Tally,
    target::Server,
    worker::{Counter, Run, Task, work},
};

/// How often a thread hands over what it has counted.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// What one thread has counted in one interval.
#[derive(Debug)]
pub(super) struct Interval {
    /// Which one, from 0.
    pub(super) number: usize,
    pub(super) tally: Tally,
}

/// Starts the threads. Each ends when the run is over; `intervals` closes when all have ended.
pub(super) fn start(run: &Arc<Run>, servers: &[Server], intervals: mpsc::Sender<Interval>) -> io::Result<()> {
    for index in 0..run.plan.threads.get() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (run, intervals) = (Arc::clone(run), intervals.clone());
        let places = places(&run.plan, servers, index);
        thread::Builder::new()
            .name(format!("load-{index}"))
            .spawn(move || runtime.block_on(send(run, places, intervals)))?;
    }
    Ok(())
}

/// A connection: to which server, and its number among all.
struct Place {
    server: Server,
    number: usize,
}

/// The connections of thread `index`: they are dealt out in turn.
fn places(plan: &Plan, servers: &[Server], index: usize) -> Vec<Place> {
    let mine = (index..plan.connections.get()).step_by(plan.threads.get());
    mine.filter_map(|number| {
        let server = servers.get(number % servers.len().max(1))?.clone();
        Some(Place { server, number })
    })
    .collect()
}

/// All that one thread does.
async fn send(run: Arc<Run>, places: Vec<Place>, intervals: mpsc::Sender<Interval>) {
    let counter = Arc::new(Counter::new());
    let mut workers = JoinSet::new();
    let Some(first) = places.first() else { return };
    let share = share(run.plan.followers, first.number, run.plan.threads);
    let http1 = Http1::new(&run.plan, &first.server);
    let followers = Arc::new(Followers::new(share, http1, Arc::clone(&counter)));
    for place in &places {
        let task = Task {
            run: Arc::clone(&run),
            counter: Arc::clone(&counter),
            followers: Arc::clone(&followers),
            delay: delay(&run.plan, place.number),
        };
        match run.plan.protocol {
            Protocol::Http1 => {
                workers.spawn(work(task, Http1::new(&run.plan, &place.server).wire()));
            }
            Protocol::Http2 | Protocol::Grpc | Protocol::GrpcStream => {}
        }
    }
    let done = CancellationToken::new();
    let reporter =
        tokio::spawn(report(Arc::clone(&run), Arc::clone(&counter), intervals.clone(), done.clone()));
    select! {
        () = finish(workers, &followers) => {}
        () = run.abort.cancelled() => {}
    }
    done.cancel();
    let _ended = reporter.await;
    let number = interval_number(&run);
    // The receiver is gone only if the process is about to end.
    let _ = intervals.send(Interval { number, tally: counter.take() }).await;
}

async fn finish(mut workers: JoinSet<()>, followers: &Followers) {
    while workers.join_next().await.is_some() {}
    followers.tasks.close();
    followers.tasks.wait().await;
}

/// Hands over what was counted, again and again, until all is `done`.
async fn report(
    run: Arc<Run>,
    counter: Arc<Counter>,
    intervals: mpsc::Sender<Interval>,
    done: CancellationToken,
) {
    let mut next = run.start;
    loop {
        next += INTERVAL;
        select! {
            () = sleep_until(next) => {}
            () = done.cancelled() => return,
        }
        let number = interval_number(&run).saturating_sub(1);
        if intervals.send(Interval { number, tally: counter.take() }).await.is_err() {
            return;
        }
    }
}

fn interval_number(run: &Run) -> usize {
    let since_start = Instant::now().saturating_duration_since(run.start);
    usize::try_from(since_start.as_millis() / INTERVAL.as_millis()).unwrap_or(usize::MAX)
}

/// The part of `count` that falls to place `number` of `places`.
fn share(count: usize, number: usize, places: NonZeroUsize) -> usize {
    count / places + usize::from(number < count % places)
}

/// When connection `number` begins.
fn delay(plan: &Plan, number: usize) -> Duration {
    match plan.pace {
        Pace::Open(_) => Duration::ZERO,
        Pace::Closed { ramp } => {
            let part = u32::try_from(number).unwrap_or(u32::MAX);
            ramp * part / u32::try_from(plan.connections.get()).unwrap_or(u32::MAX)
        }
    }
}
