//! A fake name server and fake brokers with scripted answers.

mod cluster;
mod queue;
mod server;

use std::time::Duration;

pub(crate) use self::{
    cluster::{Cluster, tell},
    queue::{FakeQueue, half_message, holds_pulls, pulled, stored, with_members},
    server::{Answer, Asked, Server},
};

pub(crate) const PULL: i32 = 11;
pub(crate) const QUERY_OFFSET: i32 = 14;
pub(crate) const UPDATE_OFFSET: i32 = 15;
pub(crate) const MAX_OFFSET: i32 = 30;
pub(crate) const MIN_OFFSET: i32 = 31;
pub(crate) const HEART_BEAT: i32 = 34;
pub(crate) const END_TRANSACTION: i32 = 37;
pub(crate) const MEMBERS: i32 = 38;
/// The broker's request to a producer.
pub(crate) const CHECK_BACK: i32 = 39;
pub(crate) const ROUTE: i32 = 105;
pub(crate) const CLUSTER: i32 = 106;
pub(crate) const SEND: i32 = 310;

pub(crate) const SYSTEM_ERROR: i32 = 1;
pub(crate) const REQUEST_CODE_NOT_SUPPORTED: i32 = 3;
pub(crate) const SERVICE_NOT_AVAILABLE: i32 = 14;
pub(crate) const NO_PERMISSION: i32 = 16;
pub(crate) const OFFSET_MOVED: i32 = 21;
pub(crate) const QUERY_NOT_FOUND: i32 = 22;

/// The answers of a working broker.
pub(crate) fn works(asked: &Asked) -> Option<Answer> {
    Some(match asked.code {
        SEND => sent(asked, 1),
        QUERY_OFFSET | MAX_OFFSET => Answer::default().field("offset", 0),
        HEART_BEAT | END_TRANSACTION | UPDATE_OFFSET => Answer::default(),
        _ => Answer::code(SYSTEM_ERROR),
    })
}

/// The answer to a send: the message is stored, at `offset` of its queue.
pub(crate) fn sent(asked: &Asked, offset: u64) -> Answer {
    Answer::default()
        .field("msgId", "7F00000100002A9F00000000000003E8")
        .field("queueId", asked.fields.get("e").cloned().unwrap_or_default())
        .field("queueOffset", offset)
}

/// The message id in a send request.
pub(crate) fn unique_id(asked: &Asked) -> &str {
    let properties = &asked.fields["i"];
    properties.split('\u{2}').find_map(|property| property.strip_prefix("UNIQ_KEY\u{1}")).unwrap()
}

/// The answers of a frozen broker: none.
pub(crate) fn silent(_asked: &Asked) -> Option<Answer> {
    None
}

/// The answers of a broker that refuses messages with `code`, and nothing else.
pub(crate) fn refuses_messages(code: i32) -> impl FnMut(&Asked) -> Option<Answer> + Send + 'static {
    move |asked| if asked.code == SEND { Some(Answer::code(code)) } else { works(asked) }
}

/// Waits until `seen` is true.
pub(crate) async fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let waiting = async {
        while !seen() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}
