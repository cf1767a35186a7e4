//! The topics that a deployment needs on the embedded broker.

use std::{num::NonZeroU32, sync::Arc};

use flashgate_domain::Clock;
use flashgate_messaging::{
    BusError, Group, InvalidName, Topic,
    rocketmq::{RocketMq, RocketMqConfig, admin},
};
use flashgate_output::exit::CliError;

use super::{broker::Broker, config::BrokerConfig};

/// The names that a deployment uses on its broker: the same as those of a deployment of many processes.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) orders: Topic,
    pub(crate) outcomes: Topic,
    pub(crate) lifecycle: Topic,
    pub(crate) timers: Topic,
    pub(crate) sales: Topic,
    pub(crate) dead_letters: Topic,
    pub(crate) worker: Group,
    pub(crate) worker_timers: Group,
    pub(crate) worker_outbound: Group,
    pub(crate) gateway_batches: Group,
    pub(crate) gateway_settle: Group,
    pub(crate) gateway_lifecycle: Group,
    pub(crate) gateway_sales: Group,
}

impl Names {
    fn new(config: &RocketMqConfig) -> Result<Self, InvalidName> {
        let worker = config.group("order-worker")?;
        Ok(Self {
            orders: config.topic("orders")?,
            outcomes: config.topic("outcomes")?,
            lifecycle: config.topic("lifecycle")?,
            timers: config.topic("timers")?,
            sales: config.topic("sales")?,
            dead_letters: worker.dead_letters(),
            worker,
            worker_timers: config.group("order-worker-timers")?,
            worker_outbound: config.group("order-worker-outbound")?,
            gateway_batches: config.group("gateway-batches")?,
            gateway_settle: config.group("gateway-settle")?,
            gateway_lifecycle: config.group("gateway-lifecycle")?,
            gateway_sales: config.group("gateway-sales")?,
        })
    }
}

/// Connects to the broker, and creates missing topics.
pub(crate) async fn connect(
    broker: &Broker,
    config: &BrokerConfig,
    clock: Arc<dyn Clock>,
) -> Result<(RocketMq, Names), CliError> {
    let client = RocketMqConfig::at(broker.name_server());
    let names = Names::new(&client).map_err(CliError::other)?;
    let queues = NonZeroU32::from(config.queues);
    let prepare = async {
        let mq = RocketMq::connect(client, clock).await?;
        for (topic, queues) in [
            (&names.orders, queues),
            (&names.outcomes, queues),
            (&names.lifecycle, queues),
            (&names.timers, queues),
            (&names.sales, NonZeroU32::MIN),
            (&names.dead_letters, NonZeroU32::MIN),
        ] {
            admin::create_topic(&mq, topic, queues).await?;
        }
        Ok::<_, BusError>(mq)
    };
    let mq = prepare.await.map_err(|fault| CliError::Other(format!("the broker inside: {fault}")))?;
    Ok((mq, names))
}
