//! Repairs of operators, and their record.

use async_trait::async_trait;
use flashgate_domain::{SaleId, Timestamp, audit::StoreStep};
use thiserror::Error;

use crate::{Compensated, Correction, LetterDecision, LetterKey, LetterStatus, StoreError};

/// Corrects edited sales and orders, and records who repaired what.
#[async_trait]
pub trait RepairRepository: Send + Sync + 'static {
    /// Applies a compensating step, if the sale has as many earlier steps as it names: takes `in_store` from
    /// `saleable`, which never falls below zero. `None` if the sale does not exist. Ordinary traffic adds no steps, so
    /// a repeated step is applied once. Locks the sale's row for one statement and its commit.
    async fn compensate(
        &self,
        sale: SaleId,
        step: &StoreStep,
        now: Timestamp,
    ) -> Result<Option<Compensated>, StoreError>;

    /// Restores the settled values of an order that was edited; returns `false`, with nothing changed, if the order is
    /// not as the caller saw it, or if a transition has moved it: the settled values are those of its first state. Does
    /// not change `saleable`, the version of the order or its events.
    async fn correct_order(&self, correction: &Correction, now: Timestamp) -> Result<bool, StoreError>;

    /// Records the start of a repair. Not idempotent: a call whose answer was lost may have written a row.
    async fn begin_repair(&self, draft: &RepairDraft, now: Timestamp) -> Result<RepairEvent, StoreError>;

    /// Records the result of a repair; a repair that has ended already is unchanged. `None` if the repair does not
    /// exist.
    async fn end_repair(
        &self,
        id: u64,
        after: &str,
        now: Timestamp,
    ) -> Result<Option<RepairEvent>, StoreError>;

    /// A page of repairs with ids below `before`, latest first; at most `size`, and at most [`REPAIR_PAGE_MAX`].
    async fn repairs(&self, before: Option<u64>, size: u32) -> Result<Vec<RepairEvent>, StoreError>;

    /// Stores the decision of an operator about a dead letter, and replaces an earlier one. The repair must exist.
    async fn decide_letter(
        &self,
        letter: &LetterKey,
        status: LetterStatus,
        repair_id: u64,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// The last decision about a dead letter; `None` if there is none.
    async fn letter_decision(&self, letter: &LetterKey) -> Result<Option<LetterDecision>, StoreError>;
}

/// Maximum repairs per page.
pub const REPAIR_PAGE_MAX: u32 = 1_000;
/// Maximum length of a kind, in bytes.
pub const KIND_BYTES_MAX: usize = 24;
/// Maximum length of an actor, in characters.
pub const ACTOR_CHARS_MAX: usize = 128;
/// Maximum length of a reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// Maximum length of the texts before and after, in bytes: below the limit of MySQL's TEXT.
pub const TEXT_BYTES_MAX: usize = 60_000;

/// An invalid field of a repair, and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field} {expected}")]
pub struct InvalidRepair {
    /// The field's name on the wire.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

/// A repair that is about to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairDraft {
    /// The sale, if the repair is about one.
    pub sale: Option<SaleId>,
    /// `re_drive`, `rebuild`, …
    pub kind: String,
    /// The actor.
    pub actor: String,
    /// The reason.
    pub reason: String,
    /// The state before the repair.
    pub before: String,
}

impl RepairDraft {
    /// Validates the fields: a database must be able to store them, and a terminal to show them.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn check(self) -> Result<Self, InvalidRepair> {
        let wrong = |field, expected| Err(InvalidRepair { field, expected });
        let is_line = |text: &str| !text.chars().any(char::is_control);
        let word = |kind: &str| kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if !(1..=KIND_BYTES_MAX).contains(&self.kind.len()) || !word(&self.kind) {
            return wrong("kind", "must be 1 to 24 small letters and underscores");
        }
        if !(1..=ACTOR_CHARS_MAX).contains(&self.actor.chars().count()) || !is_line(&self.actor) {
            return wrong("actor", "must be 1 to 128 characters, without control characters");
        }
        if self.reason.chars().count() > REASON_CHARS_MAX || !is_line(&self.reason) {
            return wrong("reason", "must be at most 500 characters, without control characters");
        }
        if self.before.len() > TEXT_BYTES_MAX || !self.before.lines().all(is_line) {
            return wrong("before", "must be at most 60000 bytes in lines without control characters");
        }
        Ok(self)
    }
}

/// A stored repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairEvent {
    /// Its id.
    pub id: u64,
    /// The draft of the repair.
    pub draft: RepairDraft,
    /// When it started.
    pub began_at: Timestamp,
    /// The state after the repair, and when it ended; `None` if it was interrupted.
    pub ended: Option<(String, Timestamp)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> RepairDraft {
        let [kind, actor, reason, before] =
            ["re_drive", "Zoë", "lost \u{2013} see the log", "two\nlines\n"].map(str::to_owned);
        RepairDraft { sale: None, kind, actor, reason, before }
    }

    #[test]
    fn text_that_a_database_or_a_terminal_would_mangle_is_refused_by_its_field() {
        assert_eq!(draft().check(), Ok(draft()));
        let text = |text: &str| text.to_owned();
        for (wrong, field) in [
            (RepairDraft { kind: text("Drop it"), ..draft() }, "kind"),
            (RepairDraft { actor: text(""), ..draft() }, "actor"),
            (RepairDraft { actor: text("eve\0"), ..draft() }, "actor"),
            (RepairDraft { reason: text("\u{1b}[2J"), ..draft() }, "reason"),
            (RepairDraft { reason: "x".repeat(REASON_CHARS_MAX + 1), ..draft() }, "reason"),
            (RepairDraft { before: text("one\n\0"), ..draft() }, "before"),
        ] {
            assert_eq!(wrong.clone().check().unwrap_err().field, field, "{wrong:?}");
        }
    }
}
