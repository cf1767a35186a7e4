//! Registering with the brokers as a member of a group.
//!
//! A broker sends check-backs and notifications about changed groups only on connections that sent a heartbeat. So
//! every producer sends a heartbeat to every broker of its topic before its first message, and again as soon as a
//! connection was lost.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use flashgate_supervision::Task;
use futures::future::join_all;
use rocketmq_model::common::consumer::consume_from_where::ConsumeFromWhere;
use rocketmq_protocol::{
    code::request_code::RequestCode,
    protocol::{
        RemotingSerializable,
        header::{
            heartbeat_request_header::HeartbeatRequestHeader,
            unregister_client_request_header::UnregisterClientRequestHeader,
        },
        heartbeat::{
            consume_type::ConsumeType, consumer_data::ConsumerData, heartbeat_data::HeartbeatData,
            message_model::MessageModel, producer_data::ProducerData, subscription_data::SubscriptionData,
        },
        remoting_command::RemotingCommand,
    },
};
use tokio::{sync::oneshot, time::timeout};

use super::{codes::expect_success, session::Session};
use crate::{
    fault::BusError,
    names::{Group, Topic},
};

/// The role of a session towards the brokers of its topic.
#[derive(Clone, Debug)]
pub(super) enum Role {
    Producer { group: Group, topic: Topic },
    Consumer { group: Group, topic: Topic },
}

impl Role {
    pub(super) fn topic(&self) -> &Topic {
        match self {
            Self::Producer { topic, .. } | Self::Consumer { topic, .. } => topic,
        }
    }

    fn heartbeat(&self, client_id: &str) -> RemotingCommand {
        let mut heartbeat = HeartbeatData { client_id: client_id.into(), ..HeartbeatData::default() };
        match self {
            Self::Producer { group, .. } => {
                heartbeat.producer_data_set.insert(ProducerData { group_name: group.as_str().into() });
            }
            Self::Consumer { group, topic } => {
                heartbeat.consumer_data_set.insert(consumer(group, topic));
            }
        }
        heartbeat_request(&heartbeat)
    }

    fn farewell(&self, client_id: &str) -> RemotingCommand {
        let group = |group: &Group| Some(group.as_str().into());
        let (producer_group, consumer_group) = match self {
            Self::Producer { group: name, .. } => (group(name), None),
            Self::Consumer { group: name, .. } => (None, group(name)),
        };
        let header = UnregisterClientRequestHeader {
            client_id: client_id.into(),
            producer_group,
            consumer_group,
            rpc_request_header: None,
        };
        RemotingCommand::create_request_command(RequestCode::UnregisterClient, header)
    }
}

/// A heartbeat without groups: it registers nothing, and the broker answers it.
pub(super) fn anonymous(client_id: &str) -> RemotingCommand {
    heartbeat_request(&HeartbeatData { client_id: client_id.into(), ..HeartbeatData::default() })
}

fn heartbeat_request(heartbeat: &HeartbeatData) -> RemotingCommand {
    let header = HeartbeatRequestHeader::default();
    // A heartbeat that cannot be encoded, which would be a fault of the crate, is refused by the broker.
    let body = heartbeat.encode().unwrap_or_default();
    RemotingCommand::create_request_command(RequestCode::HeartBeat, header).set_body(body)
}

fn consumer(group: &Group, topic: &Topic) -> ConsumerData {
    let subscription = SubscriptionData {
        topic: topic.as_str().into(),
        sub_string: "*".into(),
        expression_type: "TAG".into(),
        sub_version: 0,
        ..SubscriptionData::default()
    };
    ConsumerData {
        group_name: group.as_str().into(),
        consume_type: ConsumeType::ConsumeActively,
        message_model: MessageModel::Clustering,
        consume_from_where: ConsumeFromWhere::ConsumeFromFirstOffset,
        subscription_data_set: HashSet::from([subscription]),
        unit_mode: false,
    }
}

/// The brokers' answers to a heartbeat.
struct Announced {
    taken: usize,
    /// The brokers that did not accept it, with their addresses.
    missed: Vec<(String, BusError)>,
}

impl Announced {
    /// Success if at least one broker accepted the heartbeat; [`keep_announcing`] retries the others.
    ///
    /// # Errors
    /// The fault of the first broker, if none accepted it.
    fn by_any(self) -> Result<(), BusError> {
        match self.missed.into_iter().next() {
            Some((_address, fault)) if self.taken == 0 => Err(fault),
            _ => Ok(()),
        }
    }
}

/// Sends one heartbeat to every broker of the topic, concurrently, so that a frozen broker delays no other.
///
/// # Errors
/// The fault of finding the brokers.
async fn announce(session: &Arc<Session>, role: &Role) -> Result<Announced, BusError> {
    let route = session.route(role.topic()).await?;
    let heartbeat = role.heartbeat(&session.client_id);
    let is_alone = route.brokers().count() == 1;
    let deadline = if is_alone { session.deadline() } else { session.try_deadline() };
    let heartbeats = route.brokers().map(async |broker| {
        let answer = session.call(broker, heartbeat.clone(), deadline).await.and_then(expect_success);
        answer.map_err(|fault| (broker.to_owned(), fault))
    });
    let answers = join_all(heartbeats).await;
    if answers.is_empty() {
        return Err(BusError::unavailable(format!("topic {} has no broker", role.topic())));
    }
    let all = answers.len();
    let missed: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    Ok(Announced { taken: all - missed.len(), missed })
}

/// Registers the member with the brokers, and keeps it registered until it [leaves](leave). Runs in a task of its own,
/// which leaves the group if the caller drops this call: otherwise a cancelled join could leave a stale member behind.
///
/// # Errors
/// The fault of the first broker, if none accepted the member.
pub(super) async fn join(session: &Arc<Session>, role: &Role) -> Result<Task, BusError> {
    let (done, joined) = oneshot::channel();
    let (session, role) = (Arc::clone(session), role.clone());
    let supervisor = session.supervisor.clone();
    let joining = async move {
        let announced = announce(&session, &role).await.and_then(Announced::by_any);
        let announcing = announced.map(|()| {
            let announcing = keep_announcing(Arc::clone(&session), role.clone());
            session.supervisor.spawn_job("bus_heartbeat", announcing)
        });
        if let Err(Ok(announcing)) = done.send(announcing) {
            leave(&session, &role, Some(announcing)).await;
        }
    };
    supervisor.spawn_job("bus_join", joining).detach();
    joined.await.unwrap_or(Err(BusError::Closed))
}

/// Sends the heartbeats of `role` until the session is closed: at every interval, at once after a lost connection, and
/// after a short pause while a broker does not accept them.
async fn keep_announcing(session: Arc<Session>, role: Role) {
    let mut missing = BTreeSet::new();
    loop {
        let due = async {
            if missing.is_empty() {
                // Both ends of the wait mean that a heartbeat is due.
                let _ = timeout(session.config.heartbeat_interval(), session.lost.notified()).await;
            } else {
                tokio::time::sleep(session.config.retry_interval()).await;
            }
        };
        tokio::select! {
            biased;
            () = session.leaving.cancelled() => return,
            () = due => {}
        }
        let missed = match announce(&session, &role).await {
            Ok(announced) => announced.missed,
            Err(fault) => vec![("every broker".to_owned(), fault)],
        };
        // An outage is logged once, not at every attempt.
        for (broker, fault) in missed.iter().filter(|(broker, _)| !missing.contains(broker)) {
            tracing::warn!(error = %fault, broker, ?role, "heartbeat failed; retrying");
        }
        missing = missed.into_iter().map(|(broker, _fault)| broker).collect();
    }
}

/// Leaves the group: ends the heartbeats and unregisters from the brokers, so that they need not wait for missing
/// heartbeats. Best effort.
///
/// A broker handles a heartbeat, an unregistration and the end of a connection in separate threads. A heartbeat that is
/// handled last registers a member whose connection is closed, and the broker keeps that member, with its share of the
/// queues, for two minutes. So a heartbeat that is under way is awaited before the unregistration.
pub(super) async fn leave(session: &Arc<Session>, role: &Role, announcing: Option<Task>) {
    session.leaving.cancel();
    if let Some(announcing) = announcing {
        let _in_time = timeout(session.config.try_timeout(), announcing.ended()).await;
    }
    let Ok(route) = session.route(role.topic()).await else { return };
    let farewell = role.farewell(&session.client_id);
    let deadline = session.try_deadline();
    join_all(route.brokers().map(async |broker| {
        if let Err(fault) = session.call(broker, farewell.clone(), deadline).await {
            tracing::warn!(error = %fault, broker, "unregistering from the broker failed");
        }
    }))
    .await;
}
