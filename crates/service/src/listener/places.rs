//! The connection permits of a listener, and of several listeners together.

use std::sync::Arc;

use metrics::gauge;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::interval,
};

use crate::telemetry::GAUGE_IDLE_MAX;

/// Connection limit of a listener; further connections wait in the kernel's queue.
#[derive(Clone, Debug)]
pub struct Places {
    name: &'static str,
    own: Arc<Semaphore>,
    max: usize,
    /// The permits shared by all listeners for the same kind of peers.
    shared: Option<Arc<Semaphore>>,
}

impl Places {
    /// `max` permits of the listener `name`: its label in metrics.
    pub fn new(name: &'static str, max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        let places = Self { name, own: Arc::new(Semaphore::new(max)), max, shared: None };
        places.export();
        places
    }

    /// Limits the permits of this and the other listener together to `max`.
    #[must_use]
    pub fn shared_with(self, other: Self, max: usize) -> (Self, Self) {
        let shared = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        let share = |places: Self| Self { shared: Some(Arc::clone(&shared)), ..places };
        (share(self), share(other))
    }

    /// The name of the listener.
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// The number of permits in use.
    pub(super) fn taken(&self) -> usize {
        self.max.saturating_sub(self.own.available_permits())
    }

    /// The name under which a shutdown waits for them.
    pub(super) fn waiting(&self) -> &'static str {
        match self.name {
            "http" => "open requests over HTTP",
            "grpc" => "open requests over gRPC",
            _other => "open requests of operators",
        }
    }

    /// Waits for a permit. `None` never happens: the semaphores are never closed.
    pub(super) async fn take(&self) -> Option<Place> {
        let own = Arc::clone(&self.own).acquire_owned().await.ok()?;
        let shared = match &self.shared {
            Some(shared) => Some(Arc::clone(shared).acquire_owned().await.ok()?),
            None => None,
        };
        self.export();
        Some(Place { own: Some(own), shared, places: self.clone() })
    }

    /// Exports the gauges at intervals, without end: a gauge that is not set for some minutes is no longer exported.
    pub(super) async fn keep_exported(&self) {
        let mut ticks = interval(GAUGE_IDLE_MAX / 6);
        loop {
            ticks.tick().await;
            self.export();
        }
    }

    fn export(&self) {
        // A maximum above 2^32 is no limit.
        let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        // Looked up each time: after a gauge has expired, the old handle no longer updates it.
        gauge!("flashgate_connections", "listener" => self.name).set(float(self.taken()));
        gauge!("flashgate_connections_max", "listener" => self.name).set(float(self.max));
    }
}

/// The permit of one connection, until dropped.
pub(super) struct Place {
    own: Option<OwnedSemaphorePermit>,
    shared: Option<OwnedSemaphorePermit>,
    places: Places,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop((self.own.take(), self.shared.take()));
        self.places.export();
    }
}
