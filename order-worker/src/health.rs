//! Whether the worker can do its work: what readiness and gRPC health tell.

use std::{sync::Arc, time::Duration};

use metrics::gauge;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::store::OrderStore;

/// How often the store is asked whether it is there.
const PERIOD: Duration = Duration::from_secs(1);

/// What the worker needs, and whether it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The order store answered the last call, and its schema is the one of this version.
    pub store_up: bool,
    /// The broker answered the last call.
    pub bus_up: bool,
    /// The worker was told to leave.
    pub leaving: bool,
}

impl Condition {
    /// Whether batches are being decided.
    pub const fn is_ready(self) -> bool {
        self.store_up && self.bus_up && !self.leaving
    }
}

/// Holds the condition: those who do the work report, those who are asked look.
#[derive(Debug)]
pub struct Health(watch::Sender<Condition>);

impl Default for Health {
    fn default() -> Self {
        Self(watch::Sender::new(Condition::default()))
    }
}

impl Health {
    /// The condition now.
    pub fn condition(&self) -> Condition {
        *self.0.borrow()
    }

    /// The condition and its changes.
    pub fn watch(&self) -> watch::Receiver<Condition> {
        self.0.subscribe()
    }

    /// The order store answered, or did not.
    pub fn store(&self, up: bool) {
        gauge!("flashgate_worker_store_up").set(f64::from(u8::from(up)));
        self.change(|condition| condition.store_up = up);
    }

    /// Asks the store every second, for ever. Without orders, nobody else would notice that it is away.
    pub async fn watch_store(self: Arc<Self>, store: Arc<dyn OrderStore>) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.store(store.ping().await.is_ok());
            // Said again although nothing changed: a gauge that is not set for some minutes is no longer exported.
            export_bus(self.condition().bus_up);
        }
    }

    /// The broker answered, or did not.
    pub fn bus(&self, up: bool) {
        export_bus(up);
        self.change(|condition| condition.bus_up = up);
    }

    /// The worker was told to leave.
    pub fn leave(&self) {
        self.change(|condition| condition.leaving = true);
    }

    fn change(&self, change: impl FnOnce(&mut Condition)) {
        self.0.send_if_modified(|condition| {
            let before = *condition;
            change(condition);
            *condition != before
        });
    }
}

fn export_bus(up: bool) {
    gauge!("flashgate_worker_bus_up").set(f64::from(u8::from(up)));
}
