//! The properties of a dead letter: what the worker that gave the message up knew of it.

/// Why: the stable name of the reason.
pub(crate) const REASON: &str = "flashgate_reason";
/// One sentence about that.
pub(crate) const DETAIL: &str = "flashgate_detail";
/// The topic that it came from.
pub(crate) const TOPIC: &str = "flashgate_topic";
/// The queue that it came from: `broker/queue`.
pub(crate) const QUEUE: &str = "flashgate_queue";
/// Its offset there.
pub(crate) const OFFSET: &str = "flashgate_offset";
/// The id that its producer gave to it.
pub(crate) const MESSAGE_ID: &str = "flashgate_message_id";
