//! Reads the client's counters.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;

/// The counters of this thread's tasks, if it is set as the thread's recorder.
#[derive(Default)]
pub(crate) struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Counters {
    fn counter(&self, name: &str) -> Arc<AtomicU64> {
        Arc::clone(self.0.lock().entry(name.to_owned()).or_default())
    }

    /// The sends that were repeated, at another broker or at the same one.
    pub(crate) fn sends_repeated(&self) -> u64 {
        self.counter("flashgate_bus_sends_repeated_total").load(Ordering::SeqCst)
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _name: KeyName, _unit: Option<Unit>, _description: SharedString) {}
    fn describe_gauge(&self, _name: KeyName, _unit: Option<Unit>, _description: SharedString) {}
    fn describe_histogram(&self, _name: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.counter(key.name()))
    }

    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
