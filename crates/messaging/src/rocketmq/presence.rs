//! Being known to the brokers as a member of a group.
//!
//! A broker asks for the fate of a half-message, and tells of changed groups, only on connections that sent a
//! heartbeat. So a producer that never sent anything says hello to every broker of its topic, and again as soon
//! as a connection was lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use flashgate_supervision::Task;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::oneshot;
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
    pub(super) fn topic(&self) -> &Topic {
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

/// A heartbeat of nobody: it tells the broker nothing and is answered.
pub(super) fn anonymous(client_id: &str) -> Request {
    let body = json!({
        "clientID": client_id,
        "producerDataSet": [],
        "consumerDataSet": [],
        "heartbeatFingerprint": 0,
        "withoutSub": false,
    });
    Request::new(request::HEART_BEAT).body(body.to_string())
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

/// How the brokers of a topic took a heartbeat.
struct Announced {
    taken: usize,
    /// Those that did not, with their addresses.
    missed: Vec<(String, BusFault)>,
}

impl Announced {
    /// Whether one broker at least knows the member now; [`keep_announcing`] sees to the others.
    ///
    /// # Errors
    /// The fault of the first that does not, if none does.
    fn by_any(self) -> Result<(), BusFault> {
        match self.missed.into_iter().next() {
            Some((_address, fault)) if self.taken == 0 => Err(fault),
            _ => Ok(()),
        }
    }
}

/// Sends one heartbeat to every broker of the topic, to all at once: a frozen one stands in front of no other.
///
/// # Errors
/// The fault that hides the brokers.
async fn announce(session: &Arc<Session>, role: &Role) -> Result<Announced, BusFault> {
    let route = session.route(role.topic()).await?;
    let heartbeat = role.heartbeat(&session.client_id);
    let is_alone = route.brokers().count() == 1;
    let deadline = if is_alone { session.deadline() } else { session.try_deadline() };
    let heartbeats = route.brokers().map(async |broker| {
        let answer = session.call(broker, &heartbeat, deadline).await.and_then(expect_success);
        answer.map_err(|fault| (broker.to_owned(), fault))
    });
    let answers = join_all(heartbeats).await;
    if answers.is_empty() {
        return Err(BusFault::unavailable(format!("topic {} has no broker", role.topic())));
    }
    let all = answers.len();
    let missed: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    Ok(Announced { taken: all - missed.len(), missed })
}

/// Makes the member known to the brokers, and keeps it known until it [leaves](leave). In a task of its own, which leaves
/// by itself if nobody waits for it any more: a join that is broken off half-way could leave a member behind that is none.
///
/// # Errors
/// The fault of the first broker, if none knows the member.
pub(super) async fn join(session: &Arc<Session>, role: &Role) -> Result<Task, BusFault> {
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
    joined.await.unwrap_or(Err(BusFault::Closed))
}

/// Announces `role` until the session is left: at every interval, at once when a connection was lost, and soon again
/// while a broker does not take it.
async fn keep_announcing(session: Arc<Session>, role: Role) {
    let mut missing = BTreeSet::new();
    loop {
        let due = async {
            if missing.is_empty() {
                // Both ends of the wait mean the same: time for a heartbeat.
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
        // An outage is logged once, not at every try.
        for (broker, fault) in missed.iter().filter(|(broker, _)| !missing.contains(broker)) {
            tracing::warn!(%fault, broker, ?role, "heartbeats fail");
        }
        missing = missed.into_iter().map(|(broker, _fault)| broker).collect();
    }
}

/// Leaves the group: ends the heartbeats, and tells the brokers, so that they need not find out by silence. Best effort.
///
/// A broker handles a heartbeat, a farewell and the end of a connection in threads of their own. A heartbeat that is
/// handled last makes a member of a connection that is gone, and the broker keeps it, with its share of the queues, for two
/// minutes. So a heartbeat that is under way is awaited before the farewell.
pub(super) async fn leave(session: &Arc<Session>, role: &Role, announcing: Option<Task>) {
    session.leaving.cancel();
    if let Some(announcing) = announcing {
        let _in_time = timeout(session.config.try_timeout(), announcing.ended()).await;
    }
    let Ok(route) = session.route(role.topic()).await else { return };
    let farewell = role.farewell(&session.client_id);
    let deadline = session.try_deadline();
    join_all(route.brokers().map(async |broker| {
        if let Err(fault) = session.call(broker, &farewell, deadline).await {
            tracing::warn!(%fault, broker, "the broker was not told that this client leaves");
        }
    }))
    .await;
}
