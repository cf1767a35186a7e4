//! A process's way to a server: what a call meets there and back.

use std::{fmt::Display, sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{Fate, Lost, Server};
use crate::life::Life;

/// A process's way to a server.
pub struct Link<S> {
    server: Arc<Server<S>>,
    caller: Option<Arc<Life>>,
    patience: Duration,
}

impl<S> Clone for Link<S> {
    fn clone(&self) -> Self {
        Self { server: Arc::clone(&self.server), caller: self.caller.clone(), patience: self.patience }
    }
}

impl<S: Send + 'static> Link<S> {
    /// The way of `caller`, who waits for an answer as long as `patience`.
    pub fn new(server: &Arc<Server<S>>, caller: &Arc<Life>, patience: Duration) -> Self {
        Self { server: Arc::clone(server), caller: Some(Arc::clone(caller)), patience }
    }

    /// A way without a network: every call happens at once.
    pub fn direct(server: Arc<Server<S>>) -> Self {
        Self { server, caller: None, patience: Duration::ZERO }
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
        let travelling = travel(Arc::clone(&self.server), what, fate, work, answer, self.patience);
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
                Err(Lost::NoAnswer)
            }
        }
    }
}

/// The way of one request and of its answer. What is lost leaves the sender of its answer, to be dropped later.
async fn travel<S: Send + 'static, T: Send>(
    server: Arc<Server<S>>,
    what: &'static str,
    fate: Fate,
    work: impl Future<Output = T> + Send,
    answer: oneshot::Sender<T>,
    patience: Duration,
) -> Option<(oneshot::Sender<T>, Duration)> {
    sleep(fate.there).await;
    server.ready().await;
    if !fate.request_lost {
        let done = work.await;
        if let Some(watch) = server.network.watch.get() {
            watch(what);
        }
        sleep(fate.back).await;
        if !fate.answer_lost {
            // The caller may be gone.
            drop(answer.send(done));
            return None;
        }
    }
    let wait = if fate.at_once { Duration::ZERO } else { patience };
    Some((answer, wait))
}
