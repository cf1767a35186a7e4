//! Recorded repairs.

use flashgate_proto::v1;
use serde::Serialize;

/// A repair in the record of the order store.
#[derive(Clone, Debug, Serialize)]
pub struct RepairView {
    /// Its id.
    pub id: String,
    /// The sale, if it concerns only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale_id: Option<String>,
    /// `re_drive`, `drift`, `rebuild`, `replay_letters` or `drop_letters`.
    pub kind: String,
    /// The operator.
    pub actor: String,
    /// The reason.
    pub reason: String,
    /// The findings before.
    pub before: String,
    /// The result; absent until the repair has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The start.
    pub began_at_ms: u64,
    /// The end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<u64>,
}

impl From<v1::RepairEvent> for RepairView {
    fn from(event: v1::RepairEvent) -> Self {
        let ended = event.ended_at_ms > 0;
        Self {
            id: event.id.to_string(),
            sale_id: (event.sale_id > 0).then(|| event.sale_id.to_string()),
            kind: event.kind,
            actor: event.actor,
            reason: event.reason,
            before: event.before,
            after: ended.then_some(event.after),
            began_at_ms: event.began_at_ms,
            ended_at_ms: ended.then_some(event.ended_at_ms),
        }
    }
}
