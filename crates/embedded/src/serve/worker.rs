//! The order worker of the deployment: the same as in a process of its own, on the order store of this process.

use std::sync::Arc;

use flashgate_messaging::rocketmq::{RocketMqBrowser, RocketMqPublisher, RocketMqSubscription};
use flashgate_order_worker::{
    consume::Topics,
    engine::{self, Config, Dependencies},
    lifecycle::Joins,
    payments::Parts,
};
use flashgate_output::exit::CliError;
use flashgate_service::files;
use flashgate_supervision::Supervisor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{config::ServeConfig, part::Part, surroundings::Surroundings};

/// The worker's part of the open-file limit: one of this many. The rest is the gateway's.
pub(super) const FILES_PART: usize = 8;

/// A running order worker.
pub(crate) struct Worker {
    part: Part<Option<RocketMqSubscription>>,
    publisher: Arc<RocketMqPublisher>,
    browser: Arc<RocketMqBrowser>,
}

impl Worker {
    /// Joins its group at the broker, and starts. Operators come to `listener`.
    pub(crate) async fn start(
        config: &ServeConfig,
        listener: TcpListener,
        payments: Option<Parts>,
        around: Surroundings<'_>,
    ) -> Result<Self, CliError> {
        let Surroundings { mq, names, stores, clock, metrics, seed } = around;
        let leave = CancellationToken::new();
        let supervisor = Supervisor::new(leave.clone());
        let mq = mq.clone().supervised(supervisor.clone());
        let subscription = mq.subscribe(names.worker.clone(), names.orders.clone()).await;
        let subscription = subscription
            .map_err(|fault| CliError::Other(format!("the order worker at the broker: {fault}")))?;
        let publisher = Arc::new(mq.publisher(names.worker.clone()));
        let browser = Arc::new(mq.browser(names.dead_letters.clone()));
        let parts = Dependencies {
            store: stores.orders.clone(),
            publisher: Arc::<RocketMqPublisher>::clone(&publisher),
            browser: Arc::<RocketMqBrowser>::clone(&browser),
            subscription,
            joins: Joins {
                timers: mq.joining(names.worker_timers.clone(), names.timers.clone()),
                outbound: config
                    .lifecycle
                    .ship_when_paid
                    .then(|| mq.joining(names.worker_outbound.clone(), names.lifecycle.clone())),
            },
            topics: Topics {
                outcomes: names.outcomes.clone(),
                lifecycle: names.lifecycle.clone(),
                timers: names.timers.clone(),
                dead_letters: names.dead_letters.clone(),
                orders: names.orders.clone(),
            },
            sales_topic: names.sales.clone(),
            payments,
            clock,
            seed,
        };
        let config = config.clone();
        let files = files::limit_now() / FILES_PART;
        let part = Part::spawn(leave, async move {
            let ServeConfig { consume, lifecycle, operator, .. } = &config;
            let how = Config { consume, lifecycle, operator };
            let ran = engine::run(how, parts, listener, Some(metrics), files, &supervisor).await;
            supervisor.check()?;
            ran.map_err(|why| CliError::Other(format!("the order worker: {why}")))
        });
        Ok(Self { part, publisher, browser })
    }

    /// Returns when it has ended, on request or not.
    pub(crate) async fn ended(&self) {
        self.part.ended().await;
    }

    /// Finishes the chunks in process, acknowledges them, and leaves its group.
    pub(crate) async fn stop(self) -> Result<(), CliError> {
        let stopped = self.part.stop("order worker").await;
        self.publisher.shutdown();
        self.browser.shutdown();
        if let Some(subscription) = stopped? {
            subscription.shutdown().await;
        }
        Ok(())
    }
}
