//! Creating topics, for installations and tests; reading the backlog, for operators.

use std::num::NonZeroU32;

use bytes::Bytes;
use flashgate_domain::causes;
use futures::future::join_all;
use rocketmq_protocol::{
    code::request_code::RequestCode,
    protocol::{
        body::broker_body::cluster_info::ClusterInfo,
        header::create_topic_request_header::CreateTopicRequestHeader, remoting_command::RemotingCommand,
    },
};
use tokio::time::Instant;

use super::{
    RocketMq,
    codes::{expect_success, response, signed_count},
    offsets::QueueOffsets,
    route::{MASTER, Route},
    session::Session,
};
use crate::{
    fault::BusError,
    names::{Group, Topic},
};

const READ_AND_WRITE: i32 = 6;

/// Creates `topic` with `queues` queues on every master of the cluster, or updates it, and returns once the name
/// server lists it.
///
/// # Errors
/// The first broker's fault, or [`BusError::Unavailable`] if the name server does not list the topic within the send
/// timeout.
pub async fn create_topic(mq: &RocketMq, topic: &Topic, queues: NonZeroU32) -> Result<(), BusError> {
    let session = mq.session();
    let count = signed_count(queues.get());
    let header = || CreateTopicRequestHeader {
        topic: topic.as_str().into(),
        default_topic: "TBW102".into(),
        read_queue_nums: count,
        write_queue_nums: count,
        perm: READ_AND_WRITE,
        topic_filter_type: "SINGLE_TAG".into(),
        topic_sys_flag: Some(0),
        order: false,
        attributes: None,
        force: None,
        topic_request_header: None,
    };
    let masters = cluster(&session).await?;
    // To all masters, even if one fails.
    let created = join_all(masters.iter().map(async |master| {
        let request = RemotingCommand::create_request_command(RequestCode::UpdateAndCreateTopic, header());
        let created = session.call(master, request, session.deadline()).await.and_then(expect_success);
        created.map_err(|fault| fault.at(master))
    }));
    created.await.into_iter().collect::<Result<Vec<_>, _>>()?;
    until_known(&session, topic, masters.len()).await
}

/// The number of messages of `topic` that `group` has not committed, over all queues and all members.
///
/// # Errors
/// The fault of the first queue whose offsets cannot be read.
pub async fn backlog(mq: &RocketMq, topic: &Topic, group: &Group) -> Result<u64, BusError> {
    let session = mq.session();
    let route = session.route(topic).await?;
    let mut waiting = 0_u64;
    for queue in &route.readable {
        let place = QueueOffsets { session: &session, topic, queue };
        let (committed, latest) = (place.committed(group).await?, place.latest().await?);
        waiting = waiting.saturating_add(latest.saturating_sub(committed));
    }
    Ok(waiting)
}

async fn until_known(session: &Session, topic: &Topic, brokers: usize) -> Result<(), BusError> {
    let deadline = session.deadline();
    loop {
        match session.ask_name_server(Route::request(topic)).await.and_then(Route::parse) {
            Ok(route) if route.brokers().count() >= brokers => return Ok(()),
            Ok(_) | Err(BusError::Rejected { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(session.config.retry_interval() / 10).await;
            }
            Ok(_) => {
                return Err(BusError::unavailable(format!("the name server does not list topic {topic}")));
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// `host:port` of every master of the cluster.
///
/// # Errors
/// The name server's fault; [`BusError::Rejected`] if it is RocketMQ's proxy, or another server.
pub(super) async fn cluster(session: &Session) -> Result<Vec<String>, BusError> {
    let request = RemotingCommand::new_request(RequestCode::GetBrokerClusterInfo, Bytes::new());
    let answer = session.ask_name_server(request).await?;
    if answer.code() == response::REQUEST_CODE_NOT_SUPPORTED {
        let reason = "no name server: rocketmq.name_servers must name RocketMQ's name servers. RocketMQ's proxy is \
                      refused, because it acknowledges commits that no broker has stored yet";
        return Err(BusError::Rejected { broker_code: answer.code(), reason: reason.to_owned() });
    }
    let mut answer = expect_success(answer)?;
    let cluster = ClusterInfo::decode(&answer.take_body().unwrap_or_default())
        .map_err(|error| BusError::invalid_response(format!("cluster: {}", causes(&error))))?;
    let brokers = cluster.broker_addr_table.unwrap_or_default().into_values();
    Ok(brokers.filter_map(|broker| broker.broker_addrs().get(&MASTER).map(ToString::to_string)).collect())
}
