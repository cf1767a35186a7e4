//! Proxies between the processes of a deployment, one for each pair.

use std::{fmt, net::SocketAddr};

use crate::{deployment::Deployment, proxy::Proxy, stack::Stack};

/// A pair of processes that are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// The gateways and Redis.
    GatewaysAndRedis,
    /// The gateways and RocketMQ's name server.
    GatewaysAndNameServer,
    /// The gateways and RocketMQ's broker.
    GatewaysAndBroker,
    /// The gateways and the first worker.
    GatewaysAndWorker,
    /// The workers and MySQL.
    WorkersAndMysql,
    /// The workers and RocketMQ's name server.
    WorkersAndNameServer,
    /// The workers and RocketMQ's broker.
    WorkersAndBroker,
    /// Buyers and the gateways, over HTTP.
    BuyersAndGateways,
}

impl Between {
    /// Every pair.
    pub const ALL: [Self; 8] = [
        Self::GatewaysAndRedis,
        Self::GatewaysAndNameServer,
        Self::GatewaysAndBroker,
        Self::GatewaysAndWorker,
        Self::WorkersAndMysql,
        Self::WorkersAndNameServer,
        Self::WorkersAndBroker,
        Self::BuyersAndGateways,
    ];
}

impl fmt::Display for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GatewaysAndRedis => "gateways and Redis",
            Self::GatewaysAndNameServer => "gateways and name server",
            Self::GatewaysAndBroker => "gateways and broker",
            Self::GatewaysAndWorker => "gateways and worker",
            Self::WorkersAndMysql => "workers and MySQL",
            Self::WorkersAndNameServer => "workers and name server",
            Self::WorkersAndBroker => "workers and broker",
            Self::BuyersAndGateways => "buyers and gateways",
        })
    }
}

/// The way of one kind of process to RocketMQ, through two proxies: the one in front of the name server tells it that
/// the broker is where the other one is.
#[derive(Debug)]
pub(crate) struct RocketMqLines {
    pub(crate) name_server: Proxy,
    pub(crate) broker: Proxy,
}

impl RocketMqLines {
    /// Through proxies to the RocketMQ of `stack`.
    ///
    /// # Panics
    /// If they cannot listen.
    pub(crate) async fn to(stack: &Stack) -> Self {
        let broker = Proxy::before(address_of(&stack.broker)).await;
        let seen_at = broker.address().to_string();
        let name_server = Proxy::translating(address_of(&stack.name_server), &stack.broker, &seen_at).await;
        Self { name_server, broker }
    }
}

impl Deployment {
    /// The proxies between a pair: one for each gateway between buyers and gateways, else one.
    ///
    /// # Panics
    /// If they were not asked for.
    pub fn line(&self, between: Between) -> Vec<&Proxy> {
        let (gateways, workers) = (self.gateways_rocketmq.as_ref(), self.workers_rocketmq.as_ref());
        let proxy = match between {
            Between::GatewaysAndRedis => self.redis_proxy.as_ref(),
            Between::GatewaysAndNameServer => gateways.map(|lines| &lines.name_server),
            Between::GatewaysAndBroker => gateways.map(|lines| &lines.broker),
            Between::GatewaysAndWorker => self.worker_proxy.as_ref(),
            Between::WorkersAndMysql => self.mysql_proxy.as_ref(),
            Between::WorkersAndNameServer => workers.map(|lines| &lines.name_server),
            Between::WorkersAndBroker => workers.map(|lines| &lines.broker),
            Between::BuyersAndGateways => return self.door_proxies.iter().collect(),
        };
        vec![proxy.expect("a proxy that was asked for")]
    }
}

fn address_of(server: &str) -> SocketAddr {
    server.parse().expect("the address of a server of the stack")
}
