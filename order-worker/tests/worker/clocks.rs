//! A worker whose clock is not that of the order store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{Clock, SystemClock, Timestamp};
use flashgate_order_store::OrderStore;
use flashgate_order_worker::health::Health;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::double::MemoryStore;

/// So far ahead of the right one.
#[derive(Default)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        let ahead = self.0.load(Ordering::Relaxed);
        Timestamp::from_millis(SystemClock.now().as_millis().saturating_add_signed(ahead))
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_not_ready_while_its_clock_is_too_far_from_the_stores() {
    let (store, clock) = (Arc::<MemoryStore>::default(), Arc::<Ahead>::default());
    let health = Arc::new(Health::new(Duration::from_secs(5), CancellationToken::new()));
    health.bus(true);
    let watched: Arc<dyn OrderStore> = store;
    tokio::spawn(Arc::clone(&health).watch_store(watched, Arc::<Ahead>::clone(&clock)));
    for (ahead_ms, is_ready) in
        [(0, true), (4_000, true), (-4_000, true), (93_600_000, false), (-7_000, false), (0, true)]
    {
        clock.0.store(ahead_ms, Ordering::Relaxed);
        sleep(Duration::from_secs(3)).await;
        let condition = health.condition();
        assert_eq!((condition.is_ready(), condition.clocks_apart), (is_ready, !is_ready), "{ahead_ms} ms");
        assert!(condition.store_up, "it answers all the same");
    }
}
