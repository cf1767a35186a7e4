//! Everything that a gateway measures.

use flashgate_service::{
    error::PURCHASE_CODES,
    metrics::{Label, Metric},
};

const CALL: Label = Label {
    name: "call",
    values: &[
        "next_node",
        "prepare",
        "activate",
        "pause",
        "close",
        "screen",
        "deduct",
        "check_back",
        "settle",
        "settle_confirmed",
        "rebuild",
        "begin_rebuild",
        "restore",
        "resume",
        "end_rebuild",
        "compensate",
        "order",
        "entry",
        "message",
        "snapshot",
        "standing",
        "keys",
        "identity",
        "establish",
        "holdings",
        "sweep",
        "time",
        "probe",
        "info",
        "ping",
        "limit_pages",
    ],
};
const FAULT: Label = Label {
    name: "fault",
    values: &[
        "ledger_unreachable",
        "ledger_no_answer",
        "ledger_refused",
        "ledger_other",
        "ledger_unknown_reply",
    ],
};
const SCRIPT: Label = Label {
    name: "script",
    values: &[
        "screen",
        "deduct",
        "check_back",
        "settle",
        "settle_confirmed",
        "prepare",
        "rebuild",
        "restore",
        "resume",
        "activate",
        "pause",
        "close",
        "compensate",
        "order",
        "snapshot",
        "establish",
        "sweep",
        "probe",
    ],
};
const SALE: Label = Label { name: "sale", values: &[] };

/// Of the gateway itself, on whatever ledger.
pub const GATEWAY: &[Metric] = &[
    Metric::counter("flashgate_gateway_buys_total", "answers to buyers, by code")
        .by(&[Label { name: "outcome", values: PURCHASE_CODES }]),
    Metric::seconds("flashgate_gateway_queue_wait_seconds", "how long an intent waited for its batch"),
    Metric::sizes("flashgate_gateway_group_intents", "intents that left the queue together"),
    Metric::counter(
        "flashgate_gateway_groups_unscreened_total",
        "groups that went to the broker without a screen (ADR 10)",
    ),
    Metric::seconds("flashgate_gateway_half_message_seconds", "sending a half-message"),
    Metric::seconds("flashgate_gateway_commit_seconds", "until the broker has answered a commit"),
    Metric::counter(
        "flashgate_gateway_commits_unanswered_total",
        "accepted without that answer: left to check-back",
    ),
    Metric::counter("flashgate_gateway_doubts_total", "deductions without an answer, and what was found")
        .by(&[Label { name: "verdict", values: &["deducted", "fenced", "unknown"] }]),
    Metric::counter("flashgate_gateway_check_backs_total", "half-messages that the broker asked for")
        .by(&[Label { name: "verdict", values: &["commit", "rollback", "unknown"] }]),
    Metric::counter(
        "flashgate_gateway_settled_batches_total",
        "outcomes recorded in the ledger; given_up: refused by it for a minute, to be re-driven; broken_off: a script \
         failed half-way, its sales are paused",
    )
    .by(&[Label {
        name: "result",
        values: &["applied", "already", "applied_late", "contradiction", "id_taken", "given_up", "broken_off"],
    }]),
    Metric::gauge(
        "flashgate_gateway_outcomes_lag_messages",
        "messages with outcomes that are not settled: those that wait for this gateway, and those in hand",
    ),
    Metric::counter(
        "flashgate_gateway_outcomes_unreadable_total",
        "outcomes of a version that it does not know",
    ),
    Metric::counter("flashgate_gateway_batch_id_taken_total", "two gateways with one node number"),
    Metric::gauge("flashgate_gateway_sale_paused", "1: the sale is paused").by(&[SALE]),
    Metric::counter(
        "flashgate_gateway_sold_out_marks_total",
        "how often a gateway learned that a sale is sold out",
    ),
    Metric::counter(
        "flashgate_gateway_preheat_failures_total",
        "list: readings of the sales that failed; sale: attempts to bring one of them up to date",
    )
    .by(&[Label { name: "what", values: &["list", "sale"] }]),
    Metric::gauge(
        "flashgate_gateway_sales_failing",
        "sales that cannot be brought up to date; the log names them",
    ),
    Metric::counter("flashgate_gateway_redriven_batches_total", "messages that an operator had sent again")
        .by(&[Label { name: "result", values: &["sent", "in_doubt", "no_body", "failed"] }]),
    Metric::gauge("flashgate_gateway_ledger_agreed", "1: ledger and order store belong together"),
    Metric::counter("flashgate_gateway_foreign_messages_total", "messages of another ledger, left alone")
        .by(&[Label { name: "what", values: &["half_message", "outcomes"] }]),
    Metric::gauge("flashgate_gateway_dependency_up", "1: it answered when it was last asked")
        .by(&[Label { name: "part", values: &["ledger", "broker", "worker"] }]),
    Metric::gauge(
        "flashgate_gateway_degraded",
        "1: the gateway does without it, or without some of it, and sells on",
    )
    .by(&[Label { name: "part", values: &["ledger", "broker", "worker", "sales"] }]),
    Metric::counter("flashgate_ledger_faults_total", "calls that failed").by(&[CALL, FAULT]),
];

/// Of a ledger on Redis.
pub const REDIS: &[Metric] = &[
    Metric::seconds("flashgate_ledger_script_seconds", "one script, with the way there and back")
        .by(&[SCRIPT]),
    Metric::counter("flashgate_ledger_connections_total", "attempts to connect")
        .by(&[Label { name: "result", values: &["made", "failed"] }]),
    Metric::counter(
        "flashgate_ledger_script_loads_total",
        "scripts that Redis did not know (a start, a failover)",
    )
    .by(&[SCRIPT]),
    Metric::counter("flashgate_ledger_notes_reconnects_total", "how often the ledger's channel was lost"),
    Metric::counter(
        "flashgate_ledger_sales_behind_total",
        "sales that were paused because Redis had lost a part of what it had acknowledged",
    ),
];

/// Of a ledger on SQLite.
pub const SQLITE: &[Metric] = &[
    Metric::seconds("flashgate_ledger_commit_seconds", "one commit, with the sync of the disk"),
    Metric::sizes("flashgate_ledger_commit_calls", "calls that shared a transaction"),
    Metric::counter(
        "flashgate_ledger_reopened_total",
        "attempts to open the file anew, after a commit of which nothing is known",
    ),
];
