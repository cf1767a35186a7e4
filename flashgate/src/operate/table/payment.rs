//! Payment attempts and refunds.

use flashgate_operations::view::{AttemptView, PaymentsView, RefundView};

use super::{fields, table};
use crate::operate::{moment::show, money::money};

/// One line an attempt, then one line a refund.
pub(crate) fn payments(payments: &PaymentsView) -> String {
    let PaymentsView { attempts, refunds } = payments;
    let columns = ["ATTEMPT", "DUE", "STATE", "TAKEN", "TRIES", "OPENED", "CHANGED"];
    let attempts = table(columns, &[1, 3, 4], attempts.iter().map(attempt_row));
    if refunds.is_empty() {
        return attempts;
    }
    let columns =
        ["REFUND", "AMOUNT", "CAUSE", "STATE", "TRIES", "MADE", "CHANGED", "LAST ERROR", "RETRIED BY"];
    let refunds = table(columns, &[1, 4], refunds.iter().map(refund_row));
    format!("{attempts}\n\n{refunds}")
}

fn attempt_row(attempt: &AttemptView) -> [String; 7] {
    let taken = attempt.taken_minor.zip(attempt.taken_currency.as_deref());
    [
        attempt.attempt_id.clone(),
        money(attempt.amount_minor, &attempt.currency),
        attempt.state.to_owned(),
        taken.map(|(minor, currency)| money(minor, currency)).unwrap_or_default(),
        attempt.tries.to_string(),
        show(attempt.opened_at_ms),
        show(attempt.changed_at_ms),
    ]
}

fn refund_row(refund: &RefundView) -> [String; 9] {
    [
        refund.refund_id.clone(),
        money(refund.amount_minor, &refund.currency),
        refund.cause.to_owned(),
        refund.state.to_owned(),
        refund.tries.to_string(),
        show(refund.created_at_ms),
        show(refund.changed_at_ms),
        refund.last_error.clone().unwrap_or_default(),
        refund.retry_operator.clone().unwrap_or_default(),
    ]
}

/// All of a refund.
pub(crate) fn refund(refund: &RefundView) -> String {
    let [id, amount, cause, state, tries, made, changed, last_error, retried_by] = refund_row(refund);
    let rows = [
        ("refund", id),
        ("amount", amount),
        ("cause", cause),
        ("state", state),
        ("tries", tries),
        ("made", made),
        ("changed", changed),
        ("last error", last_error),
        ("retried by", retried_by),
        ("because", refund.retry_cause.clone().unwrap_or_default()),
    ];
    fields(rows.into_iter().filter(|(_name, value)| !value.is_empty()))
}
