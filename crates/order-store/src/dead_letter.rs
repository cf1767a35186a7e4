//! What operators decided about dead letters.

use flashgate_domain::Timestamp;

/// Which dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterKey {
    /// Its place in the topic of dead letters: `broker/queue:offset`, ASCII, at most 160 bytes.
    pub place: String,
    /// When the broker stored it. A broker that lost its disk gives its places again.
    pub given_up_at: Timestamp,
}

/// What an operator did with a dead letter. One of which nothing is stored waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterStatus {
    /// It was published again, to be decided as any other message.
    Replayed,
    /// It was given up for good.
    Dropped,
}

impl LetterStatus {
    /// The stable name: in rows and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Dropped => "dropped",
        }
    }

    /// The standing of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Replayed, Self::Dropped].into_iter().find(|status| status.as_str() == name)
    }
}

/// The last decision about a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterDecision {
    /// What was done.
    pub status: LetterStatus,
    /// The repair that it belongs to.
    pub repair_id: u64,
    /// Who did it: the actor of the repair.
    pub actor: String,
    /// Why: the reason of the repair.
    pub reason: String,
    /// When.
    pub decided_at: Timestamp,
}
