//! The places for connections of a listener, and of several listeners together.

use std::sync::Arc;

use metrics::{Gauge, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections a listener holds at once; further ones wait in the kernel's queue.
#[derive(Clone, Debug)]
pub struct Places {
    name: &'static str,
    own: Arc<Semaphore>,
    max: usize,
    /// Those of all listeners for the same kind of peers.
    shared: Option<Arc<Semaphore>>,
    open: Gauge,
}

impl Places {
    /// `max` places of the listener `name`: its label in metrics.
    pub fn new(name: &'static str, max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        let open = gauge!("flashgate_connections", "listener" => name);
        open.set(0.0);
        let limit = gauge!("flashgate_connections_max", "listener" => name);
        // Above 2^32 it is no limit.
        limit.set(f64::from(u32::try_from(max).unwrap_or(u32::MAX)));
        Self { name, own: Arc::new(Semaphore::new(max)), max, shared: None, open }
    }

    /// At most `max` of them and of those of the other listener are taken at once.
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

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.max.saturating_sub(self.own.available_permits())
    }

    /// What a shutdown that waits for them waits for.
    pub(super) fn waiting(&self) -> &'static str {
        match self.name {
            "http" => "open requests over HTTP",
            "grpc" => "open requests over gRPC",
            _other => "open requests of operators",
        }
    }

    /// Waits for a place. `None` never happens: the places are never closed.
    pub(super) async fn take(&self) -> Option<Place> {
        let own = Arc::clone(&self.own).acquire_owned().await.ok()?;
        let shared = match &self.shared {
            Some(shared) => Some(Arc::clone(shared).acquire_owned().await.ok()?),
            None => None,
        };
        self.open.increment(1.0);
        Some(Place { _own: own, _shared: shared, open: self.open.clone() })
    }
}

/// The place of one connection, until it is dropped.
pub(super) struct Place {
    _own: OwnedSemaphorePermit,
    _shared: Option<OwnedSemaphorePermit>,
    open: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.decrement(1.0);
    }
}
