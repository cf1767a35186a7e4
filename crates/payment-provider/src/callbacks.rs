//! Delivers callbacks: signed anew at each attempt, again on a schedule until one is acknowledged with 2xx.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flashgate_domain::{CallbackId, Clock};
use flashgate_payments::{
    callback::{Callback, CallbackEvent, encode},
    signature::SignatureScheme,
};
use flashgate_supervision::Supervisor;
use http::header;
use parking_lot::Mutex;
use reqwest::{Client, Url, redirect};
use serde::Serialize;
use tokio::{sync::Semaphore, time::sleep};
use tracing::{info, warn};

/// Maximum concurrent deliveries, and so connections.
const IN_FLIGHT_MAX: usize = 64;
/// Maximum deliveries that wait; payments beyond are refused.
const WAITING_MAX: usize = 100_000;
/// Maximum callbacks that are kept for a replay; the oldest are forgotten.
const KEPT_MAX: usize = 100_000;

/// Where callbacks go, and how.
#[derive(Clone, Debug)]
pub struct CallbackSettings {
    /// The address that they are posted to.
    pub url: Url,
    /// Signs them.
    pub scheme: SignatureScheme,
    /// The pauses before the second and each later delivery. After the last one a callback is given up.
    pub retry_schedule: Vec<Duration>,
    /// Timeout of a delivery.
    pub timeout: Duration,
    /// Distinguishes the ids of this run from those of others; random.
    pub run: u64,
}

/// Delivers callbacks.
pub(crate) struct Callbacks {
    settings: CallbackSettings,
    http: Client,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
    permits: Semaphore,
    waiting: AtomicUsize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By their numbers.
    callbacks: BTreeMap<u64, Sent>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Sent {
    callback: Callback,
    deliveries: u32,
    outcome: String,
    acknowledged: bool,
}

/// A callback in a list.
#[derive(Debug, Serialize)]
pub(crate) struct SentBody {
    pub(crate) number: u64,
    callback_id: String,
    body: serde_json::Value,
    deliveries: u32,
    /// The status or the error of the last delivery.
    outcome: String,
    acknowledged: bool,
}

impl Callbacks {
    pub(crate) fn new(
        settings: CallbackSettings,
        clock: Arc<dyn Clock>,
        supervisor: Supervisor,
    ) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(settings.timeout)
            .pool_max_idle_per_host(IN_FLIGHT_MAX);
        // The system's authorities are only read where they are needed.
        let http = if settings.url.scheme() == "https" { http } else { http.tls_certs_only([]) };
        Ok(Self {
            settings,
            http: http.build()?,
            clock,
            supervisor,
            permits: Semaphore::new(IN_FLIGHT_MAX),
            waiting: AtomicUsize::new(0),
            kept: Mutex::default(),
        })
    }

    /// Whether no more callbacks can wait.
    pub(crate) fn are_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= WAITING_MAX
    }

    /// Sends a new callback, `copies` times at once.
    pub(crate) fn send(self: &Arc<Self>, event: CallbackEvent, copies: u32) {
        let number = {
            let mut kept = self.kept.lock();
            let number = kept.next;
            // Letters, digits and underscores: an id.
            let Ok(id) = CallbackId::new(format!("msg_{:016x}_{number}", self.settings.run)) else { return };
            let callback = Callback { id, at: self.clock.now(), event };
            let sent = Sent { callback, deliveries: 0, outcome: "waiting".to_owned(), acknowledged: false };
            kept.callbacks.insert(number, sent);
            kept.next += 1;
            if kept.callbacks.len() > KEPT_MAX {
                kept.callbacks.pop_first();
            }
            number
        };
        (0..copies).for_each(|_copy| self.start(number));
    }

    /// Sends the kept callbacks that `is_meant` picks again; their number.
    pub(crate) fn replay(self: &Arc<Self>, is_meant: impl Fn(&Callback) -> bool) -> usize {
        let numbers: Vec<u64> = {
            let kept = self.kept.lock();
            let meant = kept.callbacks.iter().filter(|(_number, sent)| is_meant(&sent.callback));
            meant.map(|(number, _sent)| *number).collect()
        };
        numbers.iter().for_each(|number| self.start(*number));
        numbers.len()
    }

    /// At most `limit` kept callbacks, from the oldest, with numbers above `after`.
    pub(crate) fn list(&self, after: Option<u64>, limit: usize) -> Vec<SentBody> {
        let from = after.map_or(0, |after| after.saturating_add(1));
        let kept = self.kept.lock();
        let range = kept.callbacks.range(from..).take(limit);
        range
            .map(|(number, sent)| SentBody {
                number: *number,
                callback_id: sent.callback.id.to_string(),
                body: serde_json::from_slice(&encode(&sent.callback)).unwrap_or_default(),
                deliveries: sent.deliveries,
                outcome: sent.outcome.clone(),
                acknowledged: sent.acknowledged,
            })
            .collect()
    }

    fn start(self: &Arc<Self>, number: u64) {
        let Some(callback) = self.kept.lock().callbacks.get(&number).map(|sent| sent.callback.clone()) else {
            return;
        };
        let this = Arc::clone(self);
        this.waiting.fetch_add(1, Ordering::Relaxed);
        let delivery = async move {
            tokio::select! {
                () = this.deliver(number, &callback) => {}
                () = this.supervisor.shutdown().cancelled() => {}
            }
            this.waiting.fetch_sub(1, Ordering::Relaxed);
        };
        self.supervisor.spawn_job("callback", delivery).detach();
    }

    async fn deliver(&self, number: u64, callback: &Callback) {
        let body = Bytes::from(encode(callback));
        let mut pauses = self.settings.retry_schedule.iter();
        loop {
            let (acknowledged, outcome) = {
                // The semaphore is never closed.
                let _permit = self.permits.acquire().await.ok();
                self.post(callback, body.clone()).await
            };
            if let Some(sent) = self.kept.lock().callbacks.get_mut(&number) {
                sent.deliveries = sent.deliveries.saturating_add(1);
                sent.acknowledged |= acknowledged;
                sent.outcome.clone_from(&outcome);
            }
            if acknowledged {
                return;
            }
            let Some(pause) = pauses.next() else {
                warn!(callback_id = %callback.id, outcome, "callback not acknowledged; given up");
                return;
            };
            info!(callback_id = %callback.id, outcome, "callback not acknowledged; retrying");
            sleep(*pause).await;
        }
    }

    /// Whether the callback was acknowledged; the status or the error.
    async fn post(&self, callback: &Callback, body: Bytes) -> (bool, String) {
        let signature = self.settings.scheme.sign(&callback.id, &body, self.clock.now());
        let mut request =
            self.http.post(self.settings.url.clone()).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in signature {
            request = request.header(name, value);
        }
        match request.body(body).send().await {
            Ok(response) => (response.status().is_success(), response.status().as_u16().to_string()),
            Err(error) => (false, flashgate_domain::causes(&error.without_url())),
        }
    }
}
