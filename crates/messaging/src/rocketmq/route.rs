//! Which broker has which queues of a topic.

use std::{collections::BTreeMap, sync::Arc};

use flashgate_domain::causes;
use rocketmq_protocol::{
    code::request_code::RequestCode,
    protocol::{
        header::client_request_header::GetRouteInfoRequestHeader, remoting_command::RemotingCommand,
        route::topic_route_data::TopicRouteData,
    },
};

use super::codes::expect_success;
use crate::{fault::BusError, message::QueueId, names::Topic};

const PERMISSION_READ: u32 = 4;
const PERMISSION_WRITE: u32 = 2;
/// The maximum accepted number of queues of a topic at a broker: far more than any has, and few enough to be listed.
const QUEUES_MAX: u32 = 16_384;
/// The broker id of a master; the client uses masters only.
pub(super) const MASTER: u64 = 0;

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
    pub(super) fn queue(&self, turn: usize) -> i32 {
        let turn = u32::try_from(turn % usize::try_from(QUEUES_MAX).unwrap_or(usize::MAX)).unwrap_or(0);
        turn.checked_rem(self.queues).and_then(|queue| i32::try_from(queue).ok()).unwrap_or(0)
    }
}

impl Route {
    /// The request that asks a name server for the route of `topic`.
    pub(super) fn request(topic: &Topic) -> RemotingCommand {
        // Without the second field the broker does not quote numeric keys, which is invalid JSON.
        let header = GetRouteInfoRequestHeader::new(topic.as_str(), Some(true));
        RemotingCommand::create_request_command(RequestCode::GetRouteinfoByTopic, header)
    }

    /// Decodes the name server's answer. The queues are in the order that all members of a group agree on.
    ///
    /// # Errors
    /// [`BusError::Rejected`] if the topic does not exist, [`BusError::InvalidResponse`] if the answer cannot be
    /// decoded.
    pub(super) fn parse(answer: RemotingCommand) -> Result<Self, BusError> {
        let body = expect_success(answer)?.take_body().unwrap_or_default();
        let data = TopicRouteData::decode(&body)
            .map_err(|error| BusError::invalid_response(format!("route: {}", causes(&error))))?;
        let mut route = Self::default();
        for broker in &data.broker_datas {
            if let Some(address) = broker.broker_addrs().get(&MASTER) {
                route.addresses.insert(broker.broker_name().as_str().into(), address.to_string());
            }
        }
        for queues in &data.queue_datas {
            if queues.read_queue_nums.max(queues.write_queue_nums) > QUEUES_MAX {
                return Err(BusError::invalid_response(format!(
                    "route: the topic has more than {QUEUES_MAX} queues"
                )));
            }
            let Some((broker, address)) = route.addresses.get_key_value(queues.broker_name.as_str()) else {
                continue;
            };
            if queues.perm & PERMISSION_READ != 0 {
                let ids =
                    (0..queues.read_queue_nums).map(|number| QueueId { broker: Arc::clone(broker), number });
                route.readable.extend(ids);
            }
            if queues.perm & PERMISSION_WRITE != 0 && queues.write_queue_nums > 0 {
                let (name, address) = (Arc::clone(broker), address.clone());
                route.writers.push(Writer { name, address, queues: queues.write_queue_nums });
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
