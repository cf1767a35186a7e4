//! What operators repaired, for whoever asks later.

use async_trait::async_trait;
use flashgate_domain::{SaleId, Timestamp, audit::StoreStep};
use thiserror::Error;

use crate::{Compensated, Correction, LetterDecision, LetterKey, LetterStatus, StoreError};

/// Corrects what is not as it was settled, and keeps a record of who did it: what operators' repairs need.
#[async_trait]
pub trait RepairRepository: Send + Sync + 'static {
    /// Does a compensating step, if there were as many before as it names: takes `in_store` from what is saleable, which
    /// never falls below zero. `None` if there is no such sale. Traffic moves no number of steps, so a step that is
    /// done twice happens once. Holds the sale's row for one statement and its commit.
    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        now: Timestamp,
    ) -> Result<Option<Compensated>, StoreError>;

    /// Gives an order that somebody changed back what was settled; `false`, and nothing changed, if it is not as it was
    /// seen. What is saleable stays as it is.
    async fn correct_order(&self, correction: &Correction, now: Timestamp) -> Result<bool, StoreError>;

    /// Writes down that a repair begins. Not repeatable: a call whose answer was lost may have written a row.
    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreError>;

    /// Writes down how a repair has ended; one that has ended already stays as it is. `None` if there is no such
    /// repair.
    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreError>;

    /// A page of repairs with ids below `before`, the latest first; at most `size`, and [`REPAIR_PAGE_MAX`].
    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreError>;

    /// Writes down what an operator decided about a dead letter, in place of what was decided before. The repair must
    /// be there.
    async fn decide_letter(
        &self,
        letter: &LetterKey,
        status: LetterStatus,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// What was last decided about a dead letter; `None` if it waits.
    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreError>;
}

/// How many repairs one page holds at most.
pub const REPAIR_PAGE_MAX: u32 = 1_000;
/// How long a kind can be, in bytes.
pub const KIND_BYTES_MAX: usize = 24;
/// How long the name of an actor can be, in characters.
pub const ACTOR_CHARS_MAX: usize = 128;
/// How long a reason can be, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// How long the text before and after can be, in bytes: what a TEXT of MySQL holds, with room to spare.
pub const TEXT_BYTES_MAX: usize = 60_000;

/// Which field of a repair is wrong, and what was expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field} {expected}")]
pub struct InvalidRepair {
    /// The field, as it is named on the wire.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

/// A repair that is about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairDraft {
    /// The sale, if it is about one.
    pub sale: Option<SaleId>,
    /// `re_drive`, `rebuild`, …
    pub kind: String,
    /// Who does it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What was seen before.
    pub before: String,
}

impl RepairDraft {
    /// Whether it can be stored.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(self) -> Result<Self, InvalidRepair> {
        let wrong = |field, expected| Err(InvalidRepair { field, expected });
        let word = |kind: &str| kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if !(1..=KIND_BYTES_MAX).contains(&self.kind.len()) || !word(&self.kind) {
            return wrong("kind", "must be 1 to 24 small letters and underscores");
        }
        if !(1..=ACTOR_CHARS_MAX).contains(&self.actor.chars().count()) {
            return wrong("actor", "must be 1 to 128 characters");
        }
        if self.reason.chars().count() > REASON_CHARS_MAX {
            return wrong("reason", "must be at most 500 characters");
        }
        if self.before.len() > TEXT_BYTES_MAX {
            return wrong("before", "must be at most 60000 bytes");
        }
        Ok(self)
    }
}

/// A repair as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairEvent {
    /// Its number.
    pub id: u64,
    /// What was told when it began.
    pub draft: RepairDraft,
    /// When it began.
    pub began_at: Timestamp,
    /// What was seen afterwards, and when; `None` if it was broken off.
    pub ended: Option<(String, Timestamp)>,
}
