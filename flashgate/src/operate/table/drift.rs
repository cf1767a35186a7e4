//! Compensating steps.

use std::fmt::Write;

use flashgate_operations::view::{
    DriftView,
    drift::{RemedyView, StepView},
};

use super::{DRY_RUN, table};

/// One line a step, and one a finding that needs something else.
pub(crate) fn drift(drift: &DriftView) -> String {
    let mut text = format!("sale {}: {}\n", drift.sale_id, drift.verdict);
    if !drift.steps.is_empty() {
        let row = |step: &StepView| {
            let result = step.result.clone().unwrap_or_default();
            [step.side.to_owned(), step.what.clone(), step.seen.clone(), result]
        };
        text.push_str(&table(["SIDE", "STEP", "SEEN", "RESULT"], &[], drift.steps.iter().map(row)));
        text.push('\n');
    }
    for RemedyView { kind, found, remedy } in &drift.remedies {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{kind}: {found}. {remedy}");
    }
    let end = match (&drift.repair_id, drift.verdict_after) {
        (Some(id), Some(verdict)) => format!("repair {id}: {verdict}"),
        _ if drift.steps.is_empty() => "nothing to compensate".to_owned(),
        _ => DRY_RUN.to_owned(),
    };
    text + &end
}
