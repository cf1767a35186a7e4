//! The metrics of a gateway.

use flashgate_ledger_redis::SCRIPT_NAMES;
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
        "return_units",
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
        "stock",
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
const SCRIPT: Label = Label { name: "script", values: SCRIPT_NAMES };
const GROUP: Label = Label { name: "kind", values: &["outcomes", "lifecycle"] };
const SALE: Label = Label { name: "sale", values: &[] };

/// Metrics of the gateway itself, independent of the ledger.
pub const GATEWAY: &[Metric] = &[
    Metric::counter("flashgate_gateway_buys_total", "answers to purchases, by code")
        .by(&[Label { name: "outcome", values: PURCHASE_CODES }]),
    Metric::seconds("flashgate_gateway_queue_wait_seconds", "wait of an intent in the queue of its shard"),
    Metric::sizes("flashgate_gateway_group_intents", "intents taken from the queue together"),
    Metric::counter(
        "flashgate_gateway_groups_unscreened_total",
        "groups of intents that skipped the screen (ADR 10)",
    ),
    Metric::seconds("flashgate_gateway_half_message_seconds", "round-trip time of a half-message"),
    Metric::seconds("flashgate_gateway_commit_seconds", "time until the broker acknowledged a commit"),
    Metric::counter(
        "flashgate_gateway_commits_unanswered_total",
        "batches accepted without an acknowledged commit: left to check-back",
    ),
    Metric::counter("flashgate_gateway_in_doubt_deductions_total", "deductions without an answer, by what the deduction log says")
        .by(&[Label { name: "result", values: &["deducted", "fenced", "unknown"] }]),
    Metric::counter("flashgate_gateway_check_backs_total", "check-backs, by verdict")
        .by(&[Label { name: "verdict", values: &["commit", "rollback", "unknown"] }]),
    Metric::counter(
        "flashgate_gateway_settled_batches_total",
        "outcomes recorded in the ledger; given_up: the ledger refused for a minute, re-drive the \
         batch; broken_off: the script failed half-way, its sales are paused",
    )
    .by(&[Label {
        name: "result",
        values: &["applied", "already", "applied_late", "contradiction", "id_taken", "given_up", "broken_off"],
    }]),
    Metric::gauge(
        "flashgate_gateway_lag_messages",
        "messages that are not applied to the ledger: waiting for this gateway or in progress",
    )
    .by(&[GROUP]),
    Metric::counter("flashgate_gateway_messages_unreadable_total", "messages of an unknown version").by(&[GROUP]),
    Metric::counter(
        "flashgate_gateway_returns_total",
        "orders that gave their units up; missing: the ledger does not have the sale; given_up: not returned \
         within a minute, repair the sale",
    )
    .by(&[Label { name: "result", values: &["done", "already", "missing", "given_up"] }]),
    Metric::counter("flashgate_gateway_batch_id_taken_total", "batch ids that another batch has: two gateways share a node number"),
    Metric::gauge("flashgate_gateway_sale_paused", "1: the sale is paused").by(&[SALE]),
    Metric::counter(
        "flashgate_gateway_sold_out_marks_total",
        "sold-out marks set",
    ),
    Metric::counter(
        "flashgate_gateway_preheat_failures_total",
        "failed sale refreshes; list: of the list of sales; sale: of one sale, at the order worker or the ledger",
    )
    .by(&[Label { name: "kind", values: &["list", "sale"] }]),
    Metric::gauge(
        "flashgate_gateway_sales_failing",
        "sales whose refresh fails; the log names them",
    ),
    Metric::counter("flashgate_gateway_redriven_batches_total", "batches re-driven by an operator")
        .by(&[Label { name: "result", values: &["sent", "in_doubt", "no_body", "failed"] }]),
    Metric::gauge("flashgate_gateway_ledger_agreed", "1: ledger and order store match"),
    Metric::counter("flashgate_gateway_foreign_messages_total", "messages of another ledger, not processed")
        .by(&[Label { name: "kind", values: &["half_message", "outcomes", "lifecycle"] }]),
    Metric::gauge("flashgate_gateway_dependency_up", "1: the last call succeeded")
        .by(&[Label { name: "part", values: &["ledger", "broker", "worker"] }]),
    Metric::gauge(
        "flashgate_gateway_degraded",
        "1: the gateway sells without the dependency, or without a part of it",
    )
    .by(&[Label { name: "part", values: &["ledger", "broker", "worker", "sales"] }]),
    Metric::counter("flashgate_ledger_faults_total", "failed calls").by(&[CALL, FAULT]),
];

/// Metrics of a ledger on Redis.
pub const REDIS: &[Metric] = &[
    Metric::seconds("flashgate_ledger_script_seconds", "script round-trip time").by(&[SCRIPT]),
    Metric::counter("flashgate_ledger_connections_total", "connection attempts")
        .by(&[Label { name: "result", values: &["made", "failed"] }]),
    Metric::counter(
        "flashgate_ledger_script_loads_total",
        "scripts loaded because Redis did not have them (start, failover)",
    )
    .by(&[SCRIPT]),
    Metric::counter("flashgate_ledger_event_reconnects_total", "reconnects of the event channel"),
    Metric::counter(
        "flashgate_ledger_sales_behind_total",
        "sales paused because Redis lost acknowledged data",
    ),
];

/// Metrics of a ledger on SQLite.
pub const SQLITE: &[Metric] = &[
    Metric::seconds("flashgate_ledger_commit_seconds", "time of a commit, including the disk sync"),
    Metric::sizes("flashgate_ledger_commit_calls", "calls in one transaction"),
    Metric::counter(
        "flashgate_ledger_reopened_total",
        "attempts to reopen the file after a commit of unknown outcome",
    ),
];
