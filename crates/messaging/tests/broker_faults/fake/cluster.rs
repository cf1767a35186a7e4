//! A name server and its brokers.

use std::{net::SocketAddr, sync::Arc};

use flashgate_messaging::rocketmq::RocketMqConfig;
use parking_lot::Mutex;
use serde_json::json;

use super::{Answer, Asked, CLUSTER, REQUEST_CODE_NOT_SUPPORTED, ROUTE, Server, works};

/// A name server and the brokers that it lists.
pub(crate) struct Cluster {
    pub(crate) name_server: Server,
    pub(crate) brokers: Vec<Server>,
    listed: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Cluster {
    /// Working brokers, each with two queues of every topic.
    pub(crate) async fn of(brokers: usize) -> Self {
        let listed = Arc::new(Mutex::new(Vec::new()));
        let mut all = Vec::new();
        for _ in 0..brokers {
            let broker = Server::start(works).await;
            listed.lock().push(broker.address);
            all.push(broker);
        }
        let name_server = Server::start(tell(Arc::clone(&listed))).await;
        Self { name_server, brokers: all, listed }
    }

    /// Lets the name server list only these brokers from now on.
    pub(crate) fn list(&self, brokers: &[usize]) {
        *self.listed.lock() = brokers.iter().map(|number| self.brokers[*number].address).collect();
    }

    /// The defaults: for a test of their effect.
    pub(crate) fn defaults(&self) -> RocketMqConfig {
        RocketMqConfig::at(self.name_server.address)
    }

    /// Short timeouts, so that a test does not wait for the defaults.
    pub(crate) fn config(&self) -> RocketMqConfig {
        RocketMqConfig {
            try_timeout_ms: 200.try_into().unwrap(),
            retry_interval_ms: 50.try_into().unwrap(),
            ..self.defaults()
        }
    }
}

/// The answers of a name server that lists `brokers`.
pub(crate) fn tell(
    brokers: Arc<Mutex<Vec<SocketAddr>>>,
) -> impl FnMut(&Asked) -> Option<Answer> + Send + 'static {
    move |asked| {
        let brokers = brokers.lock();
        let body = match asked.code {
            CLUSTER => json!({ "brokerAddrTable": {}, "clusterAddrTable": {} }),
            ROUTE => json!({
                "brokerDatas": brokers.iter().map(|address| json!({
                    "brokerName": name(address), "cluster": "test", "brokerAddrs": { "0": address.to_string() },
                    "enableActingMaster": false,
                })).collect::<Vec<_>>(),
                "queueDatas": brokers.iter().map(|address| json!({
                    "brokerName": name(address), "readQueueNums": 2, "writeQueueNums": 2, "perm": 6, "topicSysFlag": 0,
                })).collect::<Vec<_>>(),
                "filterServerTable": {},
            }),
            _ => return Some(Answer::code(REQUEST_CODE_NOT_SUPPORTED)),
        };
        Some(Answer::default().body(serde_json::to_vec(&body).unwrap()))
    }
}

fn name(address: &SocketAddr) -> String {
    format!("broker-{}", address.port())
}
