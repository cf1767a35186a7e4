//! The number of messages that are not applied yet, reported also while none can be applied.
//!
//! A member of a group holds the subscription, and is blocked while the ledger does not answer: just when an operator
//! needs the lag. So the subscription is shared: [`Counted`] is what the member polls and acknowledges, and [`Lag`]
//! reads the lag every other second.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use flashgate_messaging::{BusError, Delivery, Position, QueueId, Subscription};
use metrics::gauge;
use parking_lot::Mutex as SyncMutex;
use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval},
};
use tracing::debug;

/// Interval between readings of the lag.
const PERIOD: Duration = Duration::from_secs(2);

/// The messages for the member.
pub struct Counted(Arc<Shared>);

/// Reports how many messages are not acknowledged.
pub struct Lag(Arc<Shared>);

struct Shared {
    /// Held during a poll, an acknowledgement and a lag reading, but not while the polled messages are applied.
    subscription: Mutex<Box<dyn Subscription>>,
    progress: SyncMutex<Progress>,
}

/// The progress of the subscription in the queues that it holds.
#[derive(Default)]
struct Progress {
    position: Vec<Position>,
    /// For each queue: the assignment number, and the offset before which everything is acknowledged.
    acknowledged: HashMap<QueueId, (u64, u64)>,
}

impl Counted {
    /// Shares `subscription` between a member and a gauge.
    pub fn share(subscription: Box<dyn Subscription>) -> (Self, Lag) {
        let shared =
            Arc::new(Shared { subscription: Mutex::new(subscription), progress: SyncMutex::default() });
        (Self(Arc::clone(&shared)), Lag(shared))
    }
}

#[async_trait]
impl Subscription for Counted {
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let mut subscription = self.0.subscription.lock().await;
        let polled = subscription.poll(max, wait).await;
        let position = subscription.position();
        self.0.change(|progress| progress.polled(position, polled.as_deref().unwrap_or_default()));
        polled
    }

    fn position(&self) -> Vec<Position> {
        self.0.change(|progress| progress.position.clone())
    }

    async fn commit(&mut self, position: &[Position]) -> Result<(), BusError> {
        self.0.subscription.lock().await.commit(position).await?;
        self.0.change(|progress| progress.acknowledged(position));
        Ok(())
    }

    async fn lag(&self) -> Result<u64, BusError> {
        self.0.lag().await
    }

    async fn leave(&mut self) {
        self.0.subscription.lock().await.leave().await;
    }
}

impl Lag {
    /// Sets the gauge every other second, without end. While the broker does not report the lag, the gauge is not
    /// set, and expires after some minutes.
    pub async fn watch(self, kind: &'static str) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.lag().await {
                Ok(lag) => {
                    let lag = u32::try_from(lag).unwrap_or(u32::MAX);
                    gauge!("flashgate_gateway_lag_messages", "kind" => kind).set(f64::from(lag));
                }
                Err(fault) => debug!(kind, code = fault.code(), error = %fault, "reading the lag failed"),
            }
        }
    }

    /// The number of messages that are not acknowledged: waiting at the broker, and in process.
    ///
    /// # Errors
    /// The broker did not report it.
    pub async fn lag(&self) -> Result<u64, BusError> {
        let beyond = self.0.lag().await?;
        Ok(beyond.saturating_add(self.0.change(|progress| progress.in_hand())))
    }
}

impl Shared {
    async fn lag(&self) -> Result<u64, BusError> {
        self.subscription.lock().await.lag().await
    }

    fn change<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        change(&mut self.progress.lock())
    }
}

impl Progress {
    fn polled(&mut self, position: Vec<Position>, deliveries: &[Delivery]) {
        let mut acknowledged = HashMap::with_capacity(position.len());
        for Position { queue, holding, offset } in &position {
            let known = self.acknowledged.get(queue).filter(|(of, _offset)| of == holding).copied();
            let first =
                deliveries.iter().filter(|delivery| delivery.queue == *queue).map(|one| one.offset).min();
            let from = known.unwrap_or_else(|| (*holding, first.unwrap_or(*offset)));
            acknowledged.insert(queue.clone(), from);
        }
        (self.acknowledged, self.position) = (acknowledged, position);
    }

    fn acknowledged(&mut self, position: &[Position]) {
        for Position { queue, holding, offset } in position {
            if let Some((of, acknowledged)) = self.acknowledged.get_mut(queue)
                && of == holding
            {
                *acknowledged = (*acknowledged).max(*offset);
            }
        }
    }

    fn in_hand(&self) -> u64 {
        let of = |position: &Position| {
            let (_holding, acknowledged) = self.acknowledged.get(&position.queue)?;
            Some(position.offset.saturating_sub(*acknowledged))
        };
        self.position.iter().filter_map(of).fold(0, u64::saturating_add)
    }
}
