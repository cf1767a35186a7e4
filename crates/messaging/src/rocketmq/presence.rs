//! Being known to the brokers as a member of a group.
//!
//! A broker asks for the fate of a half-message, and tells of changed groups, only on connections that sent a
//! heartbeat. So a producer that never sent anything says hello to every broker of its topic, and again as soon
//! as a connection was lost.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::codes::{expect_success, request};
use super::frame::Request;
use super::session::Session;
use crate::fault::BusFault;
use crate::names::{Group, Topic};

/// What a session is to the brokers of its topic.
#[derive(Clone, Debug)]
pub(super) enum Role {
    Producer { group: Group, topic: Topic },
    Consumer { group: Group, topic: Topic },
}

impl Role {
    fn topic(&self) -> &Topic {
        match self {
            Self::Producer { topic, .. } | Self::Consumer { topic, .. } => topic,
        }
    }

    fn heartbeat(&self, client_id: &str) -> Request {
        let (producers, consumers) = match self {
            Self::Producer { group, .. } => (json!([{ "groupName": group.as_str() }]), json!([])),
            Self::Consumer { group, topic } => (json!([]), json!([consumer(group, topic)])),
        };
        let body = json!({
            "clientID": client_id,
            "producerDataSet": producers,
            "consumerDataSet": consumers,
            "heartbeatFingerprint": 0,
            "withoutSub": false,
        });
        Request::new(request::HEART_BEAT).body(body.to_string())
    }

    fn farewell(&self, client_id: &str) -> Request {
        let request = Request::new(request::UNREGISTER_CLIENT).field("clientID", client_id);
        match self {
            Self::Producer { group, .. } => request.field("producerGroup", group),
            Self::Consumer { group, .. } => request.field("consumerGroup", group),
        }
    }
}

fn consumer(group: &Group, topic: &Topic) -> Value {
    json!({
        "groupName": group.as_str(),
        "consumeType": "CONSUME_ACTIVELY",
        "messageModel": "CLUSTERING",
        "consumeFromWhere": "CONSUME_FROM_FIRST_OFFSET",
        "unitMode": false,
        "subscriptionDataSet": [{
            "classFilterMode": false,
            "topic": topic.as_str(),
            "subString": "*",
            "tagsSet": [],
            "codeSet": [],
            "subVersion": 0,
            "expressionType": "TAG",
        }],
    })
}

/// Sends one heartbeat to every broker of the topic.
///
/// # Errors
/// The last fault, if one of them did not take it; the others still did.
pub(super) async fn announce(session: &Arc<Session>, role: &Role) -> Result<(), BusFault> {
    let route = session.route(role.topic()).await?;
    let heartbeat = role.heartbeat(&session.client_id);
    let mut result = Ok(());
    for broker in route.brokers() {
        let answer = session.call(broker, &heartbeat, session.deadline()).await;
        if let Err(fault) = answer.and_then(expect_success) {
            result = Err(fault);
        }
    }
    result
}

/// Announces `role` for ever: at every interval, and at once when a connection was lost.
pub(super) async fn keep_announcing(session: Arc<Session>, role: Role) {
    let mut failing = false;
    loop {
        if failing {
            tokio::time::sleep(session.config.retry_pause()).await;
        } else {
            // Both ends of the wait mean the same: time for a heartbeat.
            let _ = timeout(session.config.heartbeat_interval(), session.lost.notified()).await;
        }
        let was_failing = failing;
        match announce(&session, &role).await {
            Ok(()) => failing = false,
            Err(fault) => {
                failing = true;
                // An outage is logged once, not at every try.
                if !was_failing {
                    tracing::warn!(%fault, ?role, "heartbeats fail");
                }
            }
        }
    }
}

/// Tells the brokers that this member leaves, so that they need not find out by its silence. Best effort.
pub(super) async fn leave(session: &Arc<Session>, role: &Role) {
    let Ok(route) = session.route(role.topic()).await else { return };
    let farewell = role.farewell(&session.client_id);
    for broker in route.brokers() {
        if let Err(fault) = session.call(broker, &farewell, session.deadline()).await {
            tracing::warn!(%fault, broker, "the broker was not told that this client leaves");
        }
    }
}
