//! Operators' decisions about dead letters.

use flashgate_domain::{Timestamp, named};

/// The identity of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterKey {
    /// Its location in the dead-letter topic: `broker/queue:offset`, ASCII, at most 160 bytes.
    pub place: String,
    /// When the broker stored it. A broker that lost its disk reuses locations.
    pub given_up_at: Timestamp,
}

named! {
    /// The decision of an operator about a dead letter. A letter without one is waiting.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum LetterStatus {
        /// It was published again, to be decided like any other message.
        Replayed = "replayed",
        /// It was dropped for good.
        Dropped = "dropped",
    }
}

/// The last decision about a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterDecision {
    /// The decision.
    pub status: LetterStatus,
    /// The repair in which it was made.
    pub repair_id: u64,
    /// The actor of the repair.
    pub actor: String,
    /// The reason of the repair.
    pub reason: String,
    /// When it was made.
    pub decided_at: Timestamp,
}
