//! A process's way to a server: what a call meets there and back.

use std::{
    fmt::Display,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use super::{Fate, Lost, Server};
use crate::life::Life;

/// A process's way to a server.
pub struct Link<S> {
    server: Arc<Server<S>>,
    caller: Option<Arc<Life>>,
    patience: Duration,
    /// When its connection was made.
    connected_at: Arc<Mutex<Instant>>,
}

impl<S> Clone for Link<S> {
    fn clone(&self) -> Self {
        let (server, connected_at) = (Arc::clone(&self.server), Arc::clone(&self.connected_at));
        Self { server, caller: self.caller.clone(), patience: self.patience, connected_at }
    }
}

impl<S: Send + 'static> Link<S> {
    /// The way of `caller`, who waits for an answer as long as `patience`.
    pub fn new(server: &Arc<Server<S>>, caller: &Arc<Life>, patience: Duration) -> Self {
        let connected_at = Arc::new(Mutex::new(Instant::now()));
        Self { server: Arc::clone(server), caller: Some(Arc::clone(caller)), patience, connected_at }
    }

    /// A way without a network: every call happens at once.
    pub fn direct(server: Arc<Server<S>>) -> Self {
        let connected_at = Arc::new(Mutex::new(Instant::now()));
        Self { server, caller: None, patience: Duration::ZERO, connected_at }
    }

    /// Whether calls happen at once.
    pub const fn is_direct(&self) -> bool {
        self.caller.is_none()
    }

    /// Whether the caller is alive.
    pub fn is_alive(&self) -> bool {
        self.caller.as_ref().is_none_or(|caller| !caller.is_over())
    }

    /// The server at its end.
    pub fn server(&self) -> &Arc<Server<S>> {
        &self.server
    }

    /// A point where the caller could die.
    pub async fn cross(&self) {
        if let Some(caller) = &self.caller {
            caller.cross().await;
        }
    }

    /// When the connection was made that a call takes. One that was found frozen is left.
    fn connection(&self) -> Instant {
        let connected_at = *self.connected_at();
        if self.server.is_frozen(connected_at) && self.server.is_noticed() {
            self.reconnect();
        }
        *self.connected_at()
    }

    /// A call got no answer: the next one takes another connection.
    fn reconnect(&self) {
        if !self.server.network.keeps_frozen.load(Ordering::Relaxed) {
            *self.connected_at() = Instant::now();
        }
    }

    fn connected_at(&self) -> MutexGuard<'_, Instant> {
        self.connected_at.lock()
    }

    /// Calls the server, which does `request` when it arrives.
    pub async fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        about: impl Display + Send,
        request: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        if self.caller.is_none() {
            return Ok(request(&mut self.server.state()));
        }
        let server = Arc::clone(&self.server);
        self.carry(what, about, async move { request(&mut server.state()) }).await
    }

    /// The same for a request that takes its time at the other end.
    pub async fn carry<T: Send + 'static>(
        &self,
        what: &'static str,
        about: impl Display + Send,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Lost> {
        let Some(caller) = &self.caller else { return Ok(work.await) };
        caller.cross().await;
        let connected_at = self.connection();
        let fate = self.server.fate(self.patience);
        let note = |how: &str| {
            let (who, server) = (&caller.name, self.server.name);
            self.server.network.trace.note(format_args!("{who} {how} {server}.{what} {about}"));
        };
        if fate.refused {
            note("cannot reach");
            sleep(fate.there.min(self.patience)).await;
            return Err(Lost::NotSent);
        }
        note("calls");
        let (answer, answered) = oneshot::channel();
        let (number, server) = (self.server.network.has_left(), Arc::clone(&self.server));
        let travelling =
            travel(Arc::clone(&self.server), (what, connected_at), fate, work, answer, self.patience);
        tokio::spawn(async move {
            let lost = travelling.await;
            server.network.has_ended(number);
            // Who is not to learn of the loss at once waits as long as he can.
            if let Some((answer, wait)) = lost {
                sleep(wait).await;
                drop(answer);
            }
        });
        caller.cross().await;
        let answer = timeout(self.patience, answered).await;
        caller.cross().await;
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => {
                note("hears nothing of");
                self.reconnect();
                Err(Lost::NoAnswer)
            }
        }
    }
}

/// The way of one request and of its answer. What is lost leaves the sender of its answer, to be dropped later.
async fn travel<S: Send + 'static, T: Send>(
    server: Arc<Server<S>>,
    (what, connected_at): (&'static str, Instant),
    fate: Fate,
    work: impl Future<Output = T> + Send,
    answer: oneshot::Sender<T>,
    patience: Duration,
) -> Option<(oneshot::Sender<T>, Duration)> {
    sleep(fate.there).await;
    let arrives = if server.is_frozen(connected_at) {
        match server.late_effect() {
            Some(later) => {
                sleep(later).await;
                true
            }
            None => false,
        }
    } else {
        !fate.request_lost
    };
    server.ready().await;
    if arrives {
        let done = work.await;
        if let Some(watch) = server.network.watch.get() {
            watch(what);
        }
        sleep(fate.back).await;
        if !fate.answer_lost && !server.is_frozen(connected_at) {
            // The caller may be gone.
            drop(answer.send(done));
            return None;
        }
    }
    let wait = if fate.at_once && !server.is_frozen(connected_at) { Duration::ZERO } else { patience };
    Some((answer, wait))
}
