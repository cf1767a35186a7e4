//! One worker: takes the next request, waits until it is due, sends it, counts its outcome.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    select,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    follow::Followers,
    latencies::Precision,
    outcome::{Answer, Fault, Outcome},
    pacer::Pacer,
    plan::Plan,
    rush::Receipts,
    tally::Tally,
    wire::Wire,
};

/// How long before the due time of its request a connection is opened at the earliest: servers close idle
/// connections.
const CONNECT_AHEAD: Duration = Duration::from_secs(1);
/// Pauses after failed requests, in a closed loop: a server that is down must not be flooded.
const FAULT_PAUSE_MIN: Duration = Duration::from_millis(10);
const FAULT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Shared by all workers of a run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) plan: Arc<Plan>,
    pub(super) start: Instant,
    /// Send no more requests.
    pub(super) stop: CancellationToken,
    /// Do not wait for answers.
    pub(super) abort: CancellationToken,
    /// The number of the next request.
    pub(super) next: AtomicU64,
    /// Open loop only.
    pub(super) pacer: Option<Pacer>,
    /// Empty unless the plan keeps them.
    pub(super) receipts: Receipts,
}

/// The counts of one thread since they were last taken.
#[derive(Debug)]
pub(super) struct Counter(Mutex<Tally>);

impl Counter {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Tally::new(Precision::Fine)))
    }

    /// Returns the counts and resets them.
    pub(super) fn take(&self) -> Tally {
        std::mem::replace(&mut self.lock(), Tally::new(Precision::Fine))
    }

    /// A worker that panicked has counted whole requests only.
    pub(super) fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock()
    }
}

/// The next request.
struct Turn {
    number: u64,
    /// Open loop: the due time.
    due: Option<Instant>,
}

impl Run {
    /// The next request, as soon as it is due. `None`: the run is over.
    async fn take_turn(&self) -> Option<Turn> {
        if let Some(pacer) = &self.pacer
            && !pacer.take().await
        {
            return None;
        }
        let end = self.plan.duration.map(|duration| self.start + duration);
        if self.stop.is_cancelled() || end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if self.plan.requests_max.is_some_and(|max| number >= max) {
            return None;
        }
        let due = match &self.pacer {
            Some(pacer) => Some(pacer.due(number)?),
            None => None,
        };
        Some(Turn { number, due })
    }

    /// Open loop: waits until it is time to connect for the next request. `false`: the run was stopped before.
    async fn wait_to_connect(&self) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        match self.pacer.as_ref().and_then(|pacer| pacer.due(next)) {
            Some(due) => self.wait_until(due.checked_sub(CONNECT_AHEAD).unwrap_or(due)).await,
            None => true,
        }
    }

    /// Waits until `moment`; `false` if the run was stopped before.
    async fn wait_until(&self, moment: Instant) -> bool {
        if moment <= Instant::now() {
            return true;
        }
        select! {
            () = sleep_until(moment) => true,
            () = self.stop.cancelled() => false,
        }
    }

    async fn pause(&self, pause: Duration) {
        select! {
            () = sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// The context of a worker.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) run: Arc<Run>,
    pub(super) counter: Arc<Counter>,
    pub(super) followers: Arc<Followers>,
    /// The delay of its start.
    pub(super) delay: Duration,
}

/// Sends until the run is over.
pub(super) async fn work(task: Task, mut wire: impl Wire) {
    let Task { run, counter, followers, delay } = task;
    if !run.wait_until(run.start + delay).await {
        return;
    }
    let mut fault_pause = FAULT_PAUSE_MIN;
    loop {
        if run.pacer.is_some() {
            if !run.wait_to_connect().await {
                return;
            }
            // Before the request is due. A failed attempt is repeated when the request is due.
            let _ = wire.ready().await;
        }
        let Some(turn) = run.take_turn().await else { return };
        let ready = wire.ready().await;
        let ask = run.plan.crowd.ask(turn.number);
        let sent = Instant::now();
        let ended = match ready {
            Ok(()) => wire.buy(&ask).await,
            Err(fault) => Err(fault),
        };
        let now = Instant::now();
        count(&mut counter.lock(), &turn, sent, now, &ended, wire.take_connects());
        match ended {
            Ok(answer) => {
                fault_pause = FAULT_PAUSE_MIN;
                if run.plan.keeps_receipts
                    && let Some(order) = answer.order
                {
                    run.receipts.keep(ask, order);
                }
                if answer.outcome == Outcome::Accepted
                    && let Some(order) = answer.order
                {
                    followers.follow(order, ask.buyer, now);
                }
            }
            Err(_counted) if turn.due.is_none() => {
                run.pause(fault_pause).await;
                fault_pause = (fault_pause * 2).min(FAULT_PAUSE_MAX);
            }
            Err(_counted) => {}
        }
    }
}

fn count(
    tally: &mut Tally,
    turn: &Turn,
    sent: Instant,
    now: Instant,
    ended: &Result<Answer, Fault>,
    connects: u64,
) {
    tally.connects += connects;
    tally.extend_span(turn.due.unwrap_or(sent), now);
    if let Some(due) = turn.due {
        tally.send_lag.record(sent - due);
    }
    match ended {
        Ok(answer) => {
            // From the due time: a request that had to wait for its turn has waited.
            let latency = now - turn.due.unwrap_or(sent);
            tally.count(answer.outcome, answer.code.clone());
            tally.answered.record(latency);
            if answer.outcome == Outcome::Accepted {
                tally.accepted.record(latency);
            }
        }
        Err(fault) => tally.count(Outcome::Failed, fault.code().into()),
    }
}
