//! The decoders of RocketMQ's bytes, for the fuzz targets of `tests/fuzz`. Each returns whether it decoded its input,
//! and panics if an invariant is violated.

#![expect(clippy::expect_used, reason = "a fuzz target panics if an invariant is violated")]

use std::{collections::BTreeMap, sync::Arc};

use bytes::{Bytes, BytesMut};
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

use super::{
    codes::remark,
    properties::{PropertiesIn, PropertiesOut},
    route::Route,
    stored::Stored,
};

/// The content of a frame that callers can see.
type Seen = (i32, i32, bool, String, Bytes);

fn take_all(buffer: &mut BytesMut) -> (Vec<Seen>, bool) {
    let mut frames = Vec::new();
    loop {
        match RemotingCommand::decode(buffer) {
            Ok(Some(mut frame)) => {
                let (answers, remark) = (frame.is_response_type(), remark(&frame));
                let body = frame.take_body().unwrap_or_default();
                frames.push((frame.code(), frame.opaque(), answers, remark, body));
            }
            Ok(None) => return (frames, true),
            Err(_garbled) => return (frames, false),
        }
    }
}

/// Frames of a connection. The same frames are decoded, however the bytes are split.
pub fn frames(cut: usize, bytes: &[u8]) -> bool {
    let (whole, can_go_on) = take_all(&mut BytesMut::from(bytes));
    let (head, tail) = bytes.split_at(cut.checked_rem(bytes.len()).unwrap_or(0));
    let mut buffer = BytesMut::from(head);
    let (mut parts, mut goes_on) = take_all(&mut buffer);
    if goes_on {
        buffer.extend_from_slice(tail);
        let (rest, goes_on_still) = take_all(&mut buffer);
        parts.extend(rest);
        goes_on = goes_on_still;
    }
    assert_eq!((&parts, goes_on), (&whole, can_go_on), "cut at {cut}");
    !whole.is_empty()
}

/// Messages as in the answer to a pull or in a check-back.
pub fn stored(bytes: &[u8]) -> bool {
    let (mut bytes, broker, mut taken) = (Bytes::copy_from_slice(bytes), Arc::from("broker"), 0_usize);
    while !bytes.is_empty() {
        let left = bytes.len();
        let (mut again, Ok(message)) = (bytes.clone(), Stored::take(&mut bytes)) else { break };
        assert!(bytes.len() < left, "a message of no bytes");
        let delivery = message.into_delivery(&broker);
        let half = Stored::take(&mut again).expect("the same message").into_checked();
        assert_eq!((&delivery.key, &delivery.body), (&half.message.key, &half.message.body));
        taken += 1;
    }
    taken > 0
}

/// Properties as the broker stores them.
pub fn properties(text: &str) -> bool {
    !PropertiesIn::parse(text).into_own().is_empty()
}

/// Encoded properties decode to the same properties.
pub fn own_properties(pairs: &[(&str, &str)]) -> bool {
    let mut out = PropertiesOut::default();
    let mut put = BTreeMap::new();
    for (name, value) in pairs {
        if out.put_own(name, value).is_ok() {
            put.insert((*name).to_owned(), (*value).to_owned());
        }
    }
    let Ok(text) = out.finish() else { return false };
    let read: BTreeMap<_, _> = PropertiesIn::parse(&text).into_own().into_iter().collect();
    assert_eq!(read, put);
    !put.is_empty()
}

/// A name server's answer about a topic.
pub fn route(body: &[u8]) -> bool {
    let answer = RemotingCommand::create_success_response_command().set_body(body.to_vec());
    Route::parse(answer).is_ok()
}
