//! Which broker has which queues of a topic.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    codes::{expect_success, request},
    frame::{Frame, Request},
};
use crate::{fault::BusError, message::QueueId, names::Topic};

const PERMISSION_READ: u32 = 4;
const PERMISSION_WRITE: u32 = 2;
/// The maximum accepted number of queues of a topic at a broker: far more than any has, and few enough to be listed.
const QUEUES_MAX: u32 = 16_384;
/// The broker id of a master; the client uses masters only.
const MASTER: &str = "0";

/// The queues of a topic and the addresses of their brokers.
#[derive(Debug, Default)]
pub(super) struct Route {
    addresses: BTreeMap<Arc<str>, String>,
    pub(super) readable: Vec<QueueId>,
    /// The brokers that have writable queues, in the order of their names.
    pub(super) writers: Vec<Writer>,
}

/// A broker with writable queues.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) name: Arc<str>,
    pub(super) address: String,
    queues: u32,
}

impl Writer {
    /// The queue of the `turn`th message, round robin.
    pub(super) fn queue(&self, turn: usize) -> u32 {
        let turn = u32::try_from(turn % usize::try_from(QUEUES_MAX).unwrap_or(usize::MAX)).unwrap_or(0);
        turn.checked_rem(self.queues).unwrap_or(0)
    }
}

impl Route {
    /// The request that asks a name server for the route of `topic`.
    pub(super) fn request(topic: &Topic) -> Request {
        // Without the second field the broker does not quote numeric keys, which is invalid JSON.
        Request::new(request::GET_ROUTE_BY_TOPIC).field("topic", topic).field("acceptStandardJsonOnly", true)
    }

    /// Decodes the name server's answer. The queues are in the order that all members of a group agree on.
    ///
    /// # Errors
    /// [`BusError::Rejected`] if the topic does not exist, [`BusError::InvalidResponse`] if the answer cannot be
    /// decoded.
    pub(super) fn parse(answer: Frame) -> Result<Self, BusError> {
        let body = expect_success(answer)?.body;
        let data: RouteData = serde_json::from_slice(&body)
            .map_err(|error| BusError::invalid_response(format!("route: {error}")))?;
        let mut route = Self::default();
        for broker in data.brokers {
            if let Some(address) = broker.addresses.get(MASTER) {
                route.addresses.insert(broker.name.into(), address.clone());
            }
        }
        for queues in data.queues {
            if queues.readable.max(queues.writable) > QUEUES_MAX {
                return Err(BusError::invalid_response(format!(
                    "route: the topic has more than {QUEUES_MAX} queues"
                )));
            }
            let Some((broker, address)) = route.addresses.get_key_value(queues.broker.as_str()) else {
                continue;
            };
            if queues.permission & PERMISSION_READ != 0 {
                let ids = (0..queues.readable).map(|number| QueueId { broker: Arc::clone(broker), number });
                route.readable.extend(ids);
            }
            if queues.permission & PERMISSION_WRITE != 0 && queues.writable > 0 {
                let (name, address) = (Arc::clone(broker), address.clone());
                route.writers.push(Writer { name, address, queues: queues.writable });
            }
        }
        route.readable.sort();
        route.writers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(route)
    }

    /// `host:port` of the broker called `name`.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if it is not in the route.
    pub(super) fn address(&self, name: &str) -> Result<&str, BusError> {
        let address = self.addresses.get(name).map(String::as_str);
        address.ok_or_else(|| BusError::unavailable(format!("the route has no address of broker {name}")))
    }

    /// Whether a broker of the topic has that address.
    pub(super) fn has_address(&self, address: &str) -> bool {
        self.addresses.values().any(|known| known == address)
    }

    /// `host:port` of every broker of the topic, in the order of their names.
    pub(super) fn brokers(&self) -> impl Iterator<Item = &str> {
        self.addresses.values().map(String::as_str)
    }
}

#[derive(Deserialize)]
struct RouteData {
    #[serde(rename = "brokerDatas", default)]
    brokers: Vec<BrokerData>,
    #[serde(rename = "queueDatas", default)]
    queues: Vec<QueueData>,
}

#[derive(Deserialize)]
struct BrokerData {
    #[serde(rename = "brokerName")]
    name: String,
    #[serde(rename = "brokerAddrs")]
    addresses: HashMap<String, String>,
}

#[derive(Deserialize)]
struct QueueData {
    #[serde(rename = "brokerName")]
    broker: String,
    #[serde(rename = "readQueueNums")]
    readable: u32,
    #[serde(rename = "writeQueueNums")]
    writable: u32,
    #[serde(rename = "perm")]
    permission: u32,
}
