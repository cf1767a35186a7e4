//! The life of an order after it was placed: decides transitions, publishes their events, cancels what is not paid in time,
//! and ships what is paid.

mod deadlines;
mod member;
mod orders;
mod outbound;
mod publisher;
mod timers;

use std::{num::NonZeroU64, sync::Arc};

use flashgate_domain::Clock;
use flashgate_messaging::{Join, Publisher, Topic};
use flashgate_order_store::OrderStore;
use flashgate_service::throttle::LogThrottle;
use flashgate_supervision::{Supervisor, Task};
use tokio_util::sync::CancellationToken;

pub(crate) use self::orders::note;
pub use self::{
    deadlines::DeadlineSweep,
    orders::{By, Orders},
    outbound::Outbound,
    publisher::{EventPublisher, EventSender},
    timers::{TimerConsumer, TimerSender, Timers},
};
use self::{deadlines::Deadlines, timers::Outlet};
use crate::health::Health;

/// What the life of orders depends on.
pub struct Dependencies {
    /// The order store.
    pub store: Arc<dyn OrderStore>,
    /// Sends events and timers.
    pub publisher: Arc<dyn Publisher>,
    /// The topic of lifecycle events.
    pub events: Topic,
    /// The topic of payment timers.
    pub timers: Topic,
    /// The time of transitions.
    pub clock: Arc<dyn Clock>,
    /// Gets the state of the broker.
    pub health: Arc<Health>,
    /// Interval between sweeps for unpaid orders, in milliseconds.
    pub sweep_interval_ms: NonZeroU64,
}

/// The parts, and their background tasks, which are yet to run.
pub struct Lifecycle {
    /// Look-ups and steps.
    pub orders: Arc<Orders>,
    /// Takes what was placed.
    pub timers: TimerSender,
    /// Takes the events of transitions.
    pub events: EventSender,
    /// The tasks.
    pub tasks: Tasks,
}

/// The background tasks.
pub struct Tasks {
    /// Publishes events.
    pub events: EventPublisher,
    /// Sends timers.
    pub timers: Timers,
    /// Cancels unpaid orders when their timers run out.
    pub timeouts: TimerConsumer,
    /// Cancels unpaid orders at intervals.
    pub sweep: DeadlineSweep,
    /// Ships paid orders.
    pub outbound: Outbound,
}

/// The groups at the broker that the tasks join.
pub struct Joins {
    /// That of payment timers.
    pub timers: Join,
    /// That of order events, for the outbound; `None`: operators ship.
    pub outbound: Option<Join>,
}

/// Connects the parts.
pub fn open(dependencies: Dependencies) -> Lifecycle {
    let Dependencies { store, publisher, events: topic, timers, clock, health, sweep_interval_ms } =
        dependencies;
    let outlet = Outlet {
        publisher: Arc::clone(&publisher),
        topic: timers,
        clock: Arc::clone(&clock),
        throttle: LogThrottle::default(),
    };
    let outlet = Arc::new(outlet);
    let (sender, events) =
        EventPublisher::new(Arc::clone(&store), publisher, topic, Arc::clone(&clock), health);
    let deadlines = Deadlines::new(Arc::clone(&store), Arc::clone(&clock), sender.clone());
    let deadlines = Arc::new(deadlines);
    let (timer_sender, timers) = Timers::new(Arc::clone(&store), Arc::clone(&outlet));
    let timeouts = TimerConsumer { deadlines: Arc::clone(&deadlines), outlet };
    let sweep = DeadlineSweep::new(deadlines, sweep_interval_ms);
    let orders = Arc::new(Orders::new(store, clock, sender.clone()));
    let outbound = Outbound::new(Arc::clone(&orders));
    let tasks = Tasks { events, timers, timeouts, sweep, outbound };
    Lifecycle { orders, timers: timer_sender, events: sender, tasks }
}

/// The running background tasks.
pub(crate) struct Running {
    timeouts: Task,
    sweep: Task,
    outbound: Option<Task>,
    timers: Task,
    events: Task,
    /// Ends the tasks that send what chunks and transitions leave behind.
    done: CancellationToken,
}

impl Tasks {
    /// Runs the tasks under `supervisor`, in the groups of `joins`.
    pub(crate) fn spawn(self, joins: Joins, supervisor: &Supervisor) -> Running {
        let Self { events, timers, timeouts, sweep, outbound } = self;
        let (shutdown, done) = (supervisor.shutdown(), CancellationToken::new());
        Running {
            timeouts: supervisor.spawn_job("payment_timeouts", timeouts.run(joins.timers, shutdown.clone())),
            sweep: supervisor.spawn_job("payment_sweep", sweep.run(shutdown.clone())),
            outbound: joins
                .outbound
                .map(|join| supervisor.spawn_job("outbound", outbound.run(join, shutdown.clone()))),
            timers: supervisor.spawn_job("payment_timers", timers.run(done.clone())),
            events: supervisor.spawn_job("order_events", events.run(done.clone())),
            done,
        }
    }
}

impl Running {
    /// Returns when the tasks have ended, after the shutdown: those that make transitions first, then those that send
    /// what is at hand. Chunks that are still in process after the shutdown must have been placed.
    pub(crate) async fn ended(self) {
        self.timeouts.ended().await;
        self.sweep.ended().await;
        if let Some(outbound) = self.outbound {
            outbound.ended().await;
        }
        self.done.cancel();
        self.timers.ended().await;
        self.events.ended().await;
    }
}
