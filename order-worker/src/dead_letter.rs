//! The properties of a dead letter, written by the worker that gave the message up.

/// The stable name of the reason.
pub(crate) const REASON: &str = "flashgate_reason";
/// One sentence about the reason.
pub(crate) const DETAIL: &str = "flashgate_detail";
/// The topic of the original message.
pub(crate) const TOPIC: &str = "flashgate_topic";
/// The queue of the original message: `broker/queue`.
pub(crate) const QUEUE: &str = "flashgate_queue";
/// The offset of the original message in its queue.
pub(crate) const OFFSET: &str = "flashgate_offset";
/// The message id that the producer assigned.
pub(crate) const MESSAGE_ID: &str = "flashgate_message_id";
