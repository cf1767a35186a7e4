//! Follows a sample of the accepted orders until they are decided: measures the lag of the order worker.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

use super::{
    grpc::{Client, Grpc},
    http1::{Http1, Http1Wire},
    outcome::Fault,
    worker::Counter,
};

/// Interval between look-ups of an order: the precision of the lag.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(10);
/// Timeout: an order that is undecided after this counts as unconfirmed.
const FOLLOW_MAX: Duration = Duration::from_secs(10);

/// The client for look-ups.
#[derive(Clone, Debug)]
pub(super) enum LookUp {
    Http(Http1),
    Grpc(Arc<Grpc>),
}

/// A connection for look-ups.
#[derive(Debug)]
enum Line {
    Http(Http1Wire),
    Grpc(Arc<Grpc>, Client),
}

impl LookUp {
    async fn line(&self) -> Result<Line, Fault> {
        Ok(match self {
            Self::Http(http) => Line::Http(http.wire()),
            Self::Grpc(grpc) => Line::Grpc(Arc::clone(grpc), grpc.connect().await?),
        })
    }
}

impl Line {
    /// Whether the order is confirmed, cancelled, or further on.
    async fn is_decided(&mut self, order: u64, buyer: u64) -> Result<bool, Fault> {
        match self {
            Self::Http(wire) => wire.is_decided(order, buyer).await,
            Self::Grpc(grpc, client) => grpc.is_decided(client, order, buyer).await,
        }
    }
}

/// The followers of one thread: each follows one order at a time.
#[derive(Debug)]
pub(super) struct Followers {
    look_up: LookUp,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Line>>,
    counter: Arc<Counter>,
    pub(super) tasks: TaskTracker,
}

impl Followers {
    pub(super) fn new(count: usize, look_up: LookUp, counter: Arc<Counter>) -> Self {
        let free = Arc::new(Semaphore::new(count));
        Self { look_up, free, idle: Mutex::default(), counter, tasks: TaskTracker::new() }
    }

    /// Follows the order if a follower is free. Usually none is: a sample suffices.
    pub(super) fn follow(self: &Arc<Self>, order: u64, buyer: u64, since: Instant) {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            self.tasks.spawn(Arc::clone(self).until_decided(order, buyer, since, permit));
        }
    }

    async fn until_decided(
        self: Arc<Self>,
        order: u64,
        buyer: u64,
        since: Instant,
        _permit: OwnedSemaphorePermit,
    ) {
        while since.elapsed() < FOLLOW_MAX {
            sleep(LOOK_UP_INTERVAL).await;
            // A failed look-up is no decision.
            if self.is_decided(order, buyer).await.unwrap_or(false) {
                self.counter.lock().confirmed.record(since.elapsed());
                return;
            }
        }
        self.counter.lock().unconfirmed += 1;
    }

    async fn is_decided(&self, order: u64, buyer: u64) -> Result<bool, Fault> {
        let idle = self.idle().pop();
        let mut line = match idle {
            Some(line) => line,
            None => self.look_up.line().await?,
        };
        let decided = line.is_decided(order, buyer).await;
        self.idle().push(line);
        decided
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Line>> {
        self.idle.lock()
    }
}
