//! The queues of a fake broker and the members of a group that reads them.

use std::{ops::Range, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    Answer, Asked, HEART_BEAT, MEMBERS, MIN_OFFSET, PULL, QUERY_NOT_FOUND, QUERY_OFFSET, SYSTEM_ERROR,
    Server, UPDATE_OFFSET, works,
};

/// Queue 0 of a broker, with the offset that the group committed. Queue 1 is empty.
#[derive(Clone, Default)]
pub(crate) struct FakeQueue(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    messages: Range<u64>,
    committed: Option<u64>,
    /// A pull that found nothing.
    held: Option<Asked>,
}

impl FakeQueue {
    /// A queue that stores the messages with these offsets.
    pub(crate) fn of(messages: Range<u64>) -> Self {
        let queue = Self::default();
        queue.0.lock().messages = messages;
        queue
    }

    /// Stores `count` further messages, and answers the pull that waits for them at `broker`.
    pub(crate) fn append(&self, broker: &Server, count: u64) {
        let mut contents = self.0.lock();
        contents.messages.end += count;
        if let Some(held) = contents.held.take_if(|_| count > 0) {
            broker.answer(&held, &contents.pull(&held).unwrap());
        }
    }

    pub(crate) fn set_committed(&self, offset: u64) {
        self.0.lock().committed = Some(offset);
    }

    pub(crate) fn committed(&self) -> Option<u64> {
        self.0.lock().committed
    }

    /// The answers of its broker, whose group has the members that sent a heartbeat.
    pub(crate) fn answers(&self) -> impl FnMut(&Asked) -> Option<Answer> + Send + 'static {
        let this = self.clone();
        with_members(move |asked| this.answer(asked))
    }

    fn answer(&self, asked: &Asked) -> Option<Answer> {
        let is_other = || asked.fields["queueId"] != "0";
        let mut contents = self.0.lock();
        match asked.code {
            PULL if is_other() => None,
            PULL => {
                let answer = contents.pull(asked);
                contents.held = answer.is_none().then(|| asked.clone());
                answer
            }
            QUERY_OFFSET | MIN_OFFSET if is_other() => Some(Answer::default().field("offset", 0)),
            QUERY_OFFSET => Some(match contents.committed {
                Some(offset) => Answer::default().field("offset", offset),
                None => Answer::code(QUERY_NOT_FOUND),
            }),
            MIN_OFFSET => Some(Answer::default().field("offset", contents.messages.start)),
            UPDATE_OFFSET if !is_other() => {
                contents.committed = Some(asked.fields["commitOffset"].parse().unwrap());
                Some(Answer::default())
            }
            _ => works(asked),
        }
    }
}

impl Contents {
    /// The answer to a pull; `None` if the queue has no message at its offset yet.
    fn pull(&self, asked: &Asked) -> Option<Answer> {
        let offset: u64 = asked.fields["queueOffset"].parse().unwrap();
        let end = self.messages.end;
        (offset < end).then(|| pulled(Answer::default(), end, end).body(stored(0, offset..end)))
    }
}

/// The fields of every answer to a pull.
pub(crate) fn pulled(answer: Answer, next: u64, max: u64) -> Answer {
    let answer = answer.field("nextBeginOffset", next).field("minOffset", 0).field("maxOffset", max);
    answer.field("suggestWhichBrokerId", 0)
}

/// Holds every pull, like a broker without messages.
pub(crate) fn holds_pulls(asked: &Asked) -> Option<Answer> {
    if asked.code == PULL { None } else { works(asked) }
}

/// Names each client that sent a heartbeat for a group as the only member of the group; other requests go to `handler`.
pub(crate) fn with_members(
    mut handler: impl FnMut(&Asked) -> Option<Answer> + Send + 'static,
) -> impl FnMut(&Asked) -> Option<Answer> + Send + 'static {
    let mut member = None;
    move |asked| match asked.code {
        HEART_BEAT => {
            let heartbeat = asked.json();
            if has_entries(&heartbeat["consumerDataSet"]) {
                member = Some(heartbeat["clientID"].clone());
            }
            handler(asked)
        }
        MEMBERS => Some(match &member {
            Some(member) => {
                let members = json!({ "consumerIdList": [member] });
                Answer::default().body(serde_json::to_vec(&members).unwrap())
            }
            None => Answer::code(SYSTEM_ERROR),
        }),
        _ => handler(asked),
    }
}

fn has_entries(list: &Value) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty())
}

/// The messages with these offsets of queue `queue`, in the format of a pull.
pub(crate) fn stored(queue: u32, offsets: Range<u64>) -> Vec<u8> {
    let one =
        |offset| message(queue, offset, &format!("KEYS\u{1}{offset}\u{2}UNIQ_KEY\u{1}id-{offset}\u{2}"));
    offsets.flat_map(one).collect()
}

/// The half-message at `offset` that a producer of `group` sent, in the format of a check-back.
pub(crate) fn half_message(group: &str, offset: u64) -> Vec<u8> {
    let properties = format!(
        "KEYS\u{1}{offset}\u{2}UNIQ_KEY\u{1}id-{offset}\u{2}PGROUP\u{1}{group}\u{2}TRAN_MSG\u{1}true\u{2}"
    );
    message(0, offset, &properties)
}

fn message(queue: u32, offset: u64, properties: &str) -> Vec<u8> {
    let topic = "topic";
    let mut message = Vec::new();
    message.extend(0xdaa3_20a7_u32.to_be_bytes());
    message.extend([0; 4]);
    message.extend(queue.to_be_bytes());
    message.extend([0; 4]);
    message.extend(offset.to_be_bytes());
    message.extend([0; 8 + 4 + 8 + 8 + 8 + 8 + 4 + 8]);
    message.extend(4_u32.to_be_bytes());
    message.extend(b"body");
    message.push(u8::try_from(topic.len()).unwrap());
    message.extend(topic.as_bytes());
    message.extend(u16::try_from(properties.len()).unwrap().to_be_bytes());
    message.extend(properties.as_bytes());
    [u32::try_from(message.len() + 4).unwrap().to_be_bytes().to_vec(), message].concat()
}
