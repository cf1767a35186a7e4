//! Publishes the events of orders on the topic of lifecycle events: each at least once.
//!
//! An event is in the order store before anybody sends it here, and stays among the unpublished ones until the broker
//! has it. So this queue may lose events: what a killed, full or slow worker leaves is published by the next sweep, of
//! any worker. The time of an event is that of the worker that made the transition. A worker whose clock was ahead would
//! hide what it leaves: so some sweeps ask for all events, and publish those that an earlier one has seen.

use std::{collections::HashSet, sync::Arc, time::Duration};

use flashgate_domain::{Clock, LedgerId, OrderEvent, OrderId, Timestamp};
use flashgate_messaging::{Message, Publisher, Topic};
use flashgate_order_store::{EVENT_PAGE_MAX, OrderStore, StoreError};
use flashgate_proto::event::encode_event;
use flashgate_service::throttle::LogThrottle;
use futures::{StreamExt, stream};
use metrics::{counter, gauge};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::health::Health;

/// Events that wait in memory; the sweep publishes those that do not fit.
const EVENTS_WAITING_MAX: usize = 4_096;
/// Events that are taken from the queue at once.
const EVENTS_AT_ONCE: usize = 256;
/// Messages that wait for the broker at the same time.
const PUBLISHING_MAX: usize = 32;
/// Interval between sweeps.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);
/// Age at which the sweep publishes an event: younger ones are in the queue of the worker that made the transition.
const SWEEP_AGE: Duration = Duration::from_secs(3);
/// Sweeps from one that asks for all events to the next: longer than the age.
const SWEEPS_TO_WHOLE: u32 = 10;
/// After every event, by any clock, and in the range of every order store.
const EVER: Timestamp = Timestamp::from_millis(u64::MAX >> 1);

/// Takes events of transitions that were made by this process.
#[derive(Clone, Debug)]
pub struct EventSender(mpsc::Sender<OrderEvent>);

impl EventSender {
    /// Hands an event over. Never waits: the sweep publishes an event that does not fit.
    pub fn send(&self, event: OrderEvent) {
        let _left_to_the_sweep = self.0.try_send(event);
    }
}

/// Publishes events.
pub struct EventPublisher {
    store: Arc<dyn OrderStore>,
    publisher: Arc<dyn Publisher>,
    topic: Topic,
    clock: Arc<dyn Clock>,
    health: Arc<Health>,
    waiting: mpsc::Receiver<OrderEvent>,
    ledger: Option<LedgerId>,
    throttle: LogThrottle,
    sweeps: u32,
    /// What the last sweep for all events has seen: at most a page.
    seen: HashSet<(OrderId, u32)>,
}

impl EventPublisher {
    /// Publishes on `topic` what is sent to the sender, once it runs.
    pub fn new(
        store: Arc<dyn OrderStore>,
        publisher: Arc<dyn Publisher>,
        topic: Topic,
        clock: Arc<dyn Clock>,
        health: Arc<Health>,
    ) -> (EventSender, Self) {
        let (sender, waiting) = mpsc::channel(EVENTS_WAITING_MAX);
        let publisher = Self {
            store,
            publisher,
            topic,
            clock,
            health,
            waiting,
            ledger: None,
            throttle: LogThrottle::default(),
            sweeps: 0,
            seen: HashSet::new(),
        };
        (EventSender(sender), publisher)
    }

    /// Publishes until `shutdown`, then what is at hand.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut sweeps = interval(SWEEP_PERIOD);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        // In this order, so that no stream of new events keeps those from being published that were left behind.
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _now = sweeps.tick() => {
                    let swept = self.sweep().await;
                    self.note(swept);
                }
                _taken = self.waiting.recv_many(&mut events, EVENTS_AT_ONCE), if !self.waiting.is_closed() => {
                    self.publish_taken(&mut events).await;
                }
            }
        }
        self.waiting.close();
        while self.waiting.recv_many(&mut events, EVENTS_AT_ONCE).await > 0 {
            self.publish_taken(&mut events).await;
        }
    }

    async fn publish_taken(&mut self, events: &mut Vec<OrderEvent>) {
        let published = self.publish(events).await;
        self.note(published.map(drop));
        events.clear();
    }

    fn note(&self, done: Result<(), StoreError>) {
        if let Err(fault) = done
            && let Some(suppressed) = self.throttle.admit()
        {
            warn!(error = %fault, suppressed, "publishing order events failed; the next sweep repeats it");
        }
    }

    /// Publishes what was left behind.
    async fn sweep(&mut self) -> Result<(), StoreError> {
        self.sweeps = self.sweeps.wrapping_add(1);
        if self.sweeps.is_multiple_of(SWEEPS_TO_WHOLE) {
            self.publish_what_stays().await?;
        }
        self.publish_old().await
    }

    /// Publishes the events that have been there since the last call, whatever their time.
    async fn publish_what_stays(&mut self) -> Result<(), StoreError> {
        let events = self.store.unpublished_events(EVER, EVENT_PAGE_MAX).await?;
        let now = events.iter().map(|event| (event.order, event.version)).collect();
        let before = std::mem::replace(&mut self.seen, now);
        let mut stays = events;
        stays.retain(|event| before.contains(&(event.order, event.version)));
        self.publish(&stays).await?;
        Ok(())
    }

    /// Publishes old events, oldest first.
    async fn publish_old(&mut self) -> Result<(), StoreError> {
        loop {
            let before = self.clock.now().saturating_sub(SWEEP_AGE);
            let events = self.store.unpublished_events(before, EVENT_PAGE_MAX).await?;
            let oldest =
                events.first().map_or(Duration::ZERO, |event| self.clock.now().saturating_since(event.at));
            gauge!("flashgate_worker_unpublished_events_age_seconds").set(oldest.as_secs_f64());
            let is_whole_page = events.len() >= usize::try_from(EVENT_PAGE_MAX).unwrap_or(usize::MAX);
            let all_published = self.publish(&events).await?;
            if !is_whole_page || !all_published {
                return Ok(());
            }
        }
    }

    /// Publishes `events`, and marks those that the broker has. Returns whether it has all of them.
    async fn publish(&mut self, events: &[OrderEvent]) -> Result<bool, StoreError> {
        if events.is_empty() {
            return Ok(true);
        }
        if self.ledger.is_none() {
            self.ledger = self.store.identity().await?.ledger;
        }
        let publishing = stream::iter(events.to_vec()).map(|event| self.publish_one(event));
        let published: Vec<Option<(OrderId, u32)>> = publishing.buffered(PUBLISHING_MAX).collect().await;
        let published: Vec<(OrderId, u32)> = published.into_iter().flatten().collect();
        self.store.mark_published(&published).await?;
        Ok(published.len() == events.len())
    }

    async fn publish_one(&self, event: OrderEvent) -> Option<(OrderId, u32)> {
        let (topic, body) = (self.topic.clone(), encode_event(&event, self.ledger));
        let published = self.publisher.publish(Message::new(topic, event.order.to_string(), body)).await;
        self.health.bus(published.is_ok());
        match published {
            Ok(()) => {
                counter!("flashgate_worker_events_published_total").increment(1);
                Some((event.order, event.version))
            }
            Err(fault) => {
                counter!("flashgate_worker_publish_faults_total", "kind" => "lifecycle", "code" => fault.code())
                    .increment(1);
                if let Some(suppressed) = self.throttle.admit() {
                    warn!(order_id = %event.order, error = %fault, suppressed, "publishing an order event failed; the next sweep repeats it");
                }
                None
            }
        }
    }
}
