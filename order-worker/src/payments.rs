//! Payments: what buyers need to pay, the callbacks of the provider, the checks of attempts, and refunds.
//!
//! The order store decides what a report of the provider means ([`PaymentRepository::record`]). This module brings the
//! reports there, from three sources: callbacks, which the provider sends and which can be lost; checks, which ask the
//! provider about attempts without a callback, and close them when their orders can no longer be paid; and the answers
//! to refunds.
//!
//! | module | subject |
//! |---|---|
//! | `attempts` | opens attempts for buyers; lists attempts and refunds, and retries refunds, for operators |
//! | `callbacks` | the listener of callbacks |
//! | `checks` | asks the provider about open attempts |
//! | `refunds` | asks the provider to return money |
//! | `retention` | forgets the ids of old callbacks |
//! | `due` | does due work at a bounded rate |
//! | `calls` | the provider's calls, observed |
//! | `recorder` | records a report, and tells what follows from it |
//!
//! [`PaymentRepository::record`]: flashgate_order_store::PaymentRepository::record

mod attempts;
mod callbacks;
mod calls;
mod checks;
mod due;
mod recorder;
mod refunds;
mod retention;

use std::{sync::Arc, time::Duration};

use axum::Router;
use flashgate_domain::Clock;
use flashgate_order_store::OrderStore;
use flashgate_payments::{http::HttpProvider, provider::PaymentProvider};
use flashgate_service::{
    config::ConfigError,
    files::Division,
    listener::{self, ListenerLimits, Places},
};
use flashgate_supervision::{Supervisor, Task};
use tokio::net::TcpListener;

pub use self::{
    attempts::Payments, callbacks::CALLBACKS_PATH, checks::Checks, refunds::Refunds, retention::Retention,
};
use self::{attempts::Terms, callbacks::Callbacks, calls::Calls, recorder::Recorder};
use crate::{
    config::PaymentConfig,
    health::Health,
    lifecycle::{EventSender, Orders},
};

/// How much longer than a call to the provider its work is claimed for: the time of the order store.
const STORE_TIME: Duration = Duration::from_secs(5);

/// How payments are made. Without it they are off.
pub struct Parts {
    /// The settings.
    pub config: PaymentConfig,
    /// The provider.
    pub provider: Arc<dyn PaymentProvider>,
    /// Where callbacks arrive; the address of `config` is ignored.
    pub listener: TcpListener,
}

impl Parts {
    /// Payments through the provider that `config` names.
    ///
    /// # Errors
    /// The key of a setting that cannot be used.
    pub fn new(config: &PaymentConfig, listener: TcpListener) -> Result<Self, ConfigError> {
        let provider = HttpProvider::new(&config.provider).map_err(PaymentConfig::unfit)?;
        Ok(Self { config: config.clone(), provider: Arc::new(provider), listener })
    }
}

/// What payments depend on.
pub struct Dependencies {
    /// The order store.
    pub store: Arc<dyn OrderStore>,
    /// Finds orders.
    pub orders: Arc<Orders>,
    /// Takes the events of orders.
    pub events: EventSender,
    /// The time of attempts and reports.
    pub clock: Arc<dyn Clock>,
    /// Gets the state of the provider.
    pub health: Arc<Health>,
    /// Seeds the pauses before retries: different at every start.
    pub seed: u64,
}

/// What works on payments, without a listener.
pub struct Services {
    /// Answers callbacks.
    pub callbacks: Router,
    /// Asks the provider about open attempts.
    pub checks: Checks,
    /// Asks the provider to return money.
    pub refunds: Refunds,
    /// Forgets the ids of old callbacks.
    pub retention: Retention,
}

/// The open files that payments leave of `files`.
pub(crate) fn files_left(files: usize, tasks: Option<&Tasks>) -> usize {
    files.saturating_sub(tasks.map_or(0, |tasks| tasks.connections_max))
}

/// The background tasks, which are yet to run.
pub struct Tasks {
    services: Services,
    listener: TcpListener,
    limits: ListenerLimits,
    /// Maximum connections of callbacks.
    connections_max: usize,
}

/// Connects the parts, in a process with a limit of `files` open files. Without `parts` no attempt is opened, no refund
/// is retried, and there are no tasks.
pub fn open(
    parts: Option<Parts>,
    dependencies: Dependencies,
    files: usize,
) -> (Arc<Payments>, Option<Tasks>) {
    let Some(Parts { config, provider, listener }) = parts else {
        let Dependencies { store, orders, clock, .. } = dependencies;
        return (Arc::new(Payments::new(store, orders, clock, None)), None);
    };
    let connections_max = Division::of(files, config.limits.connections_max, 0).operators_max;
    let (payments, services) = connect(&config, provider, dependencies);
    (payments, Some(Tasks { services, listener, limits: config.limits, connections_max }))
}

/// Connects everything but the listener.
pub fn connect(
    config: &PaymentConfig,
    provider: Arc<dyn PaymentProvider>,
    dependencies: Dependencies,
) -> (Arc<Payments>, Services) {
    let Dependencies { store, orders, events, clock, health, seed } = dependencies;
    let payments = Payments::new(Arc::clone(&store), orders, Arc::clone(&clock), Some(Terms::of(config)));
    let recorder = Arc::new(Recorder::new(Arc::clone(&store), Arc::clone(&clock), events));
    let work = due::Dependencies {
        store: Arc::clone(&store),
        calls: Arc::new(Calls::new(Arc::clone(&provider), config.call_timeout(), health)),
        recorder: Arc::clone(&recorder),
        clock: Arc::clone(&clock),
        lease: config.call_timeout().saturating_add(STORE_TIME),
    };
    let services = Services {
        callbacks: Callbacks::new(provider, recorder, Arc::clone(&clock)).router(),
        checks: Checks::new(work.clone(), config.check_backoff(seed)),
        refunds: Refunds::new(work, config.refund_backoff(seed)),
        retention: Retention::new(store, clock, config.callback_retention()),
    };
    (Arc::new(payments), services)
}

/// The running background tasks.
pub(crate) struct Running(Vec<Task>);

impl Tasks {
    /// Runs the tasks under `supervisor` until its shutdown.
    pub(crate) fn spawn(self, supervisor: &Supervisor) -> Running {
        let Self { services, listener, limits, connections_max } = self;
        let Services { callbacks, checks, refunds, retention } = services;
        let shutdown = supervisor.shutdown();
        let places = Places::new("callbacks", connections_max);
        let serving = listener::serve(listener, callbacks, places, limits, shutdown.clone());
        Running(vec![
            supervisor.spawn("payment_callbacks", serving),
            supervisor.spawn("payment_checks", checks.run(shutdown.clone())),
            supervisor.spawn("payment_refunds", refunds.run(shutdown.clone())),
            supervisor.spawn("callback_retention", retention.run(shutdown.clone())),
        ])
    }
}

impl Running {
    /// Returns when the tasks have ended, after the shutdown. The publisher of events must run until then.
    pub(crate) async fn ended(self) {
        for task in self.0 {
            task.ended().await;
        }
    }
}
