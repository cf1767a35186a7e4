//! Creating topics, for installations and tests; reading the backlog, for operators.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
};

use bytes::Bytes;
use futures::future::join_all;
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    RocketMq,
    codes::{expect_success, request},
    frame::Request,
    offsets::QueueOffsets,
    route::Route,
    session::Session,
};
use crate::{
    fault::BusError,
    names::{Group, Topic},
};

const READ_AND_WRITE: u32 = 6;

/// Creates `topic` with `queues` queues on every master of the cluster, or updates it, and returns once the name
/// server lists it.
///
/// # Errors
/// The first broker's fault, or [`BusError::Unavailable`] if the name server does not list the topic within the send
/// timeout.
pub async fn create_topic(mq: &RocketMq, topic: &Topic, queues: NonZeroU32) -> Result<(), BusError> {
    let session = mq.session();
    let request = Request::new(request::CREATE_OR_UPDATE_TOPIC)
        .field("topic", topic)
        .field("defaultTopic", "TBW102")
        .field("readQueueNums", queues)
        .field("writeQueueNums", queues)
        .field("perm", READ_AND_WRITE)
        .field("topicFilterType", "SINGLE_TAG")
        .field("topicSysFlag", 0)
        .field("order", false);
    let masters = cluster(&session).await?;
    // To all masters, even if one fails.
    let created = join_all(masters.iter().map(async |master| {
        let created = session.call(master, &request, session.deadline()).await.and_then(expect_success);
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
        match session.ask_name_server(&Route::request(topic)).await.and_then(Route::parse) {
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
/// The name server's fault.
pub(super) async fn cluster(session: &Session) -> Result<Vec<String>, BusError> {
    #[derive(Deserialize)]
    struct Cluster {
        #[serde(rename = "brokerAddrTable")]
        brokers: BTreeMap<String, Broker>,
    }
    #[derive(Deserialize)]
    struct Broker {
        #[serde(rename = "brokerAddrs")]
        addresses: HashMap<String, String>,
    }
    let request = Request::new(request::GET_BROKER_CLUSTER_INFO);
    let body = session.ask_name_server(&request).await.and_then(expect_success)?.body;
    let cluster: Cluster = serde_json::from_slice(&standard_json(&body))
        .map_err(|error| BusError::invalid_response(format!("cluster: {error}")))?;
    let masters = cluster.brokers.into_values().filter_map(|mut broker| broker.addresses.remove("0"));
    Ok(masters.collect())
}

/// Java's name server leaves numeric keys without quotes (`{0:"a"}`) in this answer; this adds the quotes.
fn standard_json(body: &Bytes) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(body.len() + 64);
    let (mut in_string, mut escaped, mut key) = (false, false, false);
    for &byte in body {
        if key && !byte.is_ascii_digit() {
            quoted.push(b'"');
            key = false;
        }
        if !in_string && byte.is_ascii_digit() && matches!(quoted.last(), Some(b'{' | b',')) {
            quoted.push(b'"');
            key = true;
        }
        if byte == b'"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && byte == b'\\' && !escaped;
        quoted.push(byte);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::standard_json;

    #[test]
    fn bare_numeric_keys_get_quotes_and_nothing_else_changes() {
        let body = Bytes::from_static(br#"{"a":{0:"x:1,2{3",12:"\"{4"},"b":[{"c":5}]}"#);
        let expected = br#"{"a":{"0":"x:1,2{3","12":"\"{4"},"b":[{"c":5}]}"#;
        assert_eq!(standard_json(&body), expected);
    }
}
