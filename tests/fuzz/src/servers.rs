//! Answers of the servers: Redis and RocketMQ.

use flashgate_ledger_redis::fuzzing as redis;
use flashgate_messaging::rocketmq::fuzzing as rocketmq;

/// Three bytes: which script, how many sales, how many intents; then the answer in Redis's protocol.
pub fn redis_reply(bytes: &[u8]) -> bool {
    let Some(([script, sales, intents], answer)) = bytes.split_first_chunk() else { return false };
    redis::answer(*script, *sales, *intents, answer)
}

/// A line on the channel of the notes.
pub fn ledger_note(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(redis::event)
}

/// Two bytes: where the stream is cut; then its bytes.
pub fn rocketmq_frames(bytes: &[u8]) -> bool {
    let Some((cut, stream)) = bytes.split_first_chunk() else { return false };
    let cut = u16::from_be_bytes(*cut);
    rocketmq::frames(cut.into(), stream)
}

/// What a pull or a check-back brings.
pub fn rocketmq_stored(bytes: &[u8]) -> bool {
    rocketmq::stored(bytes)
}

/// Properties as the broker stores them, and pairs to be put: name, value, name, value, each behind a 0.
pub fn rocketmq_properties(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split('\0').collect();
    let (pairs, _odd_one) = words.as_chunks::<2>();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
    rocketmq::own_properties(&pairs) | rocketmq::properties(&text)
}

/// A name server's answer about a topic.
pub fn rocketmq_route(bytes: &[u8]) -> bool {
    rocketmq::route(bytes)
}
