//! Follows a sample of the accepted orders until they are decided: how far the order worker is behind.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

use super::{
    http1::{Http1, Http1Wire},
    worker::Counter,
};

/// How often an order is looked up. The lag is known as exactly as this.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(10);
/// An order that is not decided after this is counted as unconfirmed.
const FOLLOW_MAX: Duration = Duration::from_secs(10);

/// The followers of one thread: each follows one order at a time, and the next one when that is decided.
#[derive(Debug)]
pub(super) struct Followers {
    http: Http1,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Http1Wire>>,
    counter: Arc<Counter>,
    pub(super) tasks: TaskTracker,
}

impl Followers {
    pub(super) fn new(count: usize, http: Http1, counter: Arc<Counter>) -> Self {
        let free = Arc::new(Semaphore::new(count));
        Self { http, free, idle: Mutex::default(), counter, tasks: TaskTracker::new() }
    }

    /// Follows the order if a follower is free. Most of the time none is: a sample is all that is wanted.
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
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut wire = idle.unwrap_or_else(|| self.http.wire());
        while since.elapsed() < FOLLOW_MAX {
            sleep(LOOK_UP_INTERVAL).await;
            // A look-up that fails tells nothing about the order.
            if wire.decided(order, buyer).await.unwrap_or(false) {
                self.counter.lock().confirmed.record(since.elapsed());
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(wire);
                return;
            }
        }
        self.counter.lock().unconfirmed += 1;
    }
}
