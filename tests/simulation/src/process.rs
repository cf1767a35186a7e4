//! A process that can be started, killed at any await, and told to leave.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{task::AbortHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{life::Life, servers::Servers};

/// How long the broker takes to miss a process that died.
const MISSED_AFTER_MS: u64 = 700;

/// One of the processes of the deployment, whether it runs or not. `F` is what others can reach of it.
pub struct Process<F> {
    kind: &'static str,
    number: usize,
    starts: AtomicU64,
    current: Mutex<Option<Incarnation<F>>>,
}

struct Incarnation<F> {
    life: Arc<Life>,
    leave: CancellationToken,
    front: Option<F>,
    tasks: Vec<AbortHandle>,
}

impl<F: Clone + Send + 'static> Process<F> {
    /// A process that was never started.
    pub fn new(kind: &'static str, number: usize) -> Arc<Self> {
        Arc::new(Self { kind, number, starts: AtomicU64::new(0), current: Mutex::new(None) })
    }

    fn current(&self) -> MutexGuard<'_, Option<Incarnation<F>>> {
        self.current.lock()
    }

    /// Starts it, unless it runs. `main` is what it does with its life, until it is told to leave.
    pub fn start<M>(
        self: &Arc<Self>,
        servers: &Arc<Servers>,
        main: impl FnOnce(Arc<Self>, Arc<Life>, CancellationToken) -> M,
    ) where
        M: Future<Output = ()> + Send + 'static,
    {
        if self.current().is_some() {
            return;
        }
        let start = self.starts.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{}-{}.{start}", self.kind, self.number);
        servers.network.trace.note(format_args!("{name} starts"));
        let life = Arc::new(Life::new(name, servers.next_life()));
        let leave = CancellationToken::new();
        let incarnation =
            Incarnation { life: Arc::clone(&life), leave: leave.clone(), front: None, tasks: Vec::new() };
        *self.current() = Some(incarnation);
        let working = tokio::spawn(main(Arc::clone(self), Arc::clone(&life), leave));
        self.keep(working.abort_handle());
        tokio::spawn(Arc::clone(self).supervise(Arc::clone(servers), life));
    }

    /// Waits for the end of a life, takes down what is left of it, and has the broker miss it after a while.
    async fn supervise(self: Arc<Self>, servers: Arc<Servers>, life: Arc<Life>) {
        life.ended().await;
        let ended = self.current().take();
        for task in ended.iter().flat_map(|ended| &ended.tasks) {
            task.abort();
        }
        servers.network.trace.note(format_args!("{} has ended", life.name));
        drop(ended);
        sleep(Duration::from_millis(MISSED_AFTER_MS)).await;
        servers.broker.state().forget(life.number);
    }

    /// A task that dies with the process.
    pub fn keep(&self, task: AbortHandle) {
        match &mut *self.current() {
            Some(current) => current.tasks.push(task),
            None => task.abort(),
        }
    }

    /// It can be reached from now on.
    pub fn open(&self, front: F) {
        if let Some(current) = &mut *self.current() {
            current.front = Some(front);
        }
    }

    /// What can be reached of it, and its life.
    pub fn reach(&self) -> Option<(F, Arc<Life>)> {
        let current = self.current();
        let current = current.as_ref()?;
        Some((current.front.clone()?, Arc::clone(&current.life)))
    }

    /// Kills it: now, or at the `crossings`-th point from now on where it could die.
    pub fn kill(&self, crossings: u32) {
        if let Some(current) = &*self.current() {
            match crossings {
                0 => current.life.end(),
                crossings => current.life.end_after(crossings),
            }
        }
    }

    /// Lets it live on, if it was to die.
    pub fn spare(&self) {
        if let Some(current) = &*self.current() {
            current.life.spare();
        }
    }

    /// Tells it to leave.
    pub fn tell_to_leave(&self) {
        if let Some(current) = &*self.current() {
            current.leave.cancel();
        }
    }
}
