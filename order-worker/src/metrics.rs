//! The metrics of an order worker.

use flashgate_service::metrics::{BUS_FAULTS, Kind, Label, Metric};
use metrics::Unit;

const PROVIDER_VERB: Label = Label { name: "verb", values: &["query", "close", "refund"] };

/// Metrics of the order worker itself.
pub const WORKER: &[Metric] = &[
    Metric::counter("flashgate_worker_outcomes_total", "decided orders")
        .by(&[Label { name: "decision", values: &["confirmed", "out_of_stock", "duplicate_key"] }]),
    Metric::sizes("flashgate_worker_chunk_batches", "batches per transaction"),
    Metric::sizes("flashgate_worker_chunk_orders", "orders per transaction"),
    Metric::seconds("flashgate_worker_chunk_seconds", "time of a chunk from poll to offset commit"),
    Metric::gauge("flashgate_worker_consumer_lag_messages", "batches waiting for this worker"),
    Metric::counter("flashgate_worker_apply_retries_total", "retried chunks").by(&[Label {
        name: "reason",
        values: &["duplicate", "deadlock", "lock_wait", "store_unavailable", "store_contended"],
    }]),
    Metric::gauge("flashgate_worker_blocked_sales", "sales whose row another client has locked"),
    Metric::gauge("flashgate_worker_parked_orders", "orders of these sales that wait in the worker"),
    Metric::counter(
        "flashgate_worker_abandoned_sessions_total",
        "connections to the order store abandoned with work in progress, by what became of them on the server",
    )
    .by(&[Label { name: "result", values: &["killed", "gone", "refused", "unreachable"] }]),
    Metric::counter(
        "flashgate_worker_foreign_batches_total",
        "batches of another ledger: their chunks were not decided",
    ),
    Metric::counter("flashgate_worker_serial_chunks_total", "chunks decided order by order")
        .by(&[Label { name: "reason", values: &["shortage", "duplicate"] }]),
    Metric::counter("flashgate_worker_dead_letters_total", "messages moved to the dead-letter topic").by(&[
        Label {
            name: "reason",
            values: &["undecodable", "unknown_sale", "order_ids_taken", "store_refused", "store_corrupt"],
        },
    ]),
    Metric::counter("flashgate_worker_publish_faults_total", "failed publish attempts").by(&[
        Label { name: "kind", values: &["outcomes", "dead_letters", "sales", "replays", "lifecycle", "timers"] },
        Label { name: "code", values: BUS_FAULTS },
    ]),
    Metric::counter("flashgate_worker_transitions_total", "transitions of orders after they were placed")
        .by(&[Label {
            name: "to",
            values: &["paid", "shipped", "finished", "cancelled", "refunding", "refunded"],
        }]),
    Metric::counter("flashgate_worker_restocked_units_total", "units that operators added to sales"),
    Metric::counter("flashgate_worker_expired_orders_total", "orders cancelled since they were not paid in time")
        .by(&[Label { name: "by", values: &["timer", "sweep", "payment"] }]),
    Metric::new(
        "flashgate_worker_overdue_seconds",
        Kind::Gauge,
        Unit::Seconds,
        "how long the earliest unpaid order was overdue at the last sweep",
    ),
    Metric::counter("flashgate_worker_events_published_total", "published events of orders, repetitions included"),
    Metric::new(
        "flashgate_worker_unpublished_events_age_seconds",
        Kind::Gauge,
        Unit::Seconds,
        "age of the oldest event of an order that a worker left unpublished",
    ),
    Metric::counter("flashgate_worker_payment_attempts_total", "payment attempts opened for buyers"),
    Metric::counter(
        "flashgate_worker_payment_callbacks_total",
        "callbacks of the payment provider: acknowledged (recorded, unchanged, repeated, ignored), or refused with a code",
    )
    .by(&[Label {
        name: "result",
        values: &[
            "recorded",
            "unchanged",
            "repeated",
            "ignored",
            "invalid_signature",
            "malformed",
            "body_too_large",
            "body_timeout",
            "attempt_not_found",
            "refund_not_found",
            "store_unavailable",
            "internal",
        ],
    }]),
    Metric::counter(
        "flashgate_worker_payment_reports_total",
        "reports of the payment provider that changed something, or are a finding",
    )
    .by(&[
        Label { name: "kind", values: &["paid", "closed", "reversed", "refund"] },
        Label { name: "source", values: &["callback", "check", "refund"] },
    ]),
    Metric::counter("flashgate_worker_payment_findings_total", "reports that an operator must look at").by(&[
        Label {
            name: "finding",
            values: &[
                "wrong_amount",
                "amount_changed",
                "reversed_after_shipping",
                "returned_twice",
                "reversed_amount",
                "refund_amount",
            ],
        },
    ]),
    Metric::counter("flashgate_worker_refunds_total", "refunds that got this state").by(&[Label {
        name: "state",
        values: &["pending", "requires_action", "succeeded", "failed", "cancelled"],
    }]),
    Metric::new(
        "flashgate_worker_payment_checks_overdue_seconds",
        Kind::Gauge,
        Unit::Seconds,
        "how long the earliest check of a payment attempt waits for a worker",
    ),
    Metric::new(
        "flashgate_worker_refunds_overdue_seconds",
        Kind::Gauge,
        Unit::Seconds,
        "how long the earliest refund waits for a worker",
    ),
    Metric::seconds("flashgate_worker_provider_call_seconds", "time of a call to the payment provider")
        .by(&[PROVIDER_VERB]),
    Metric::counter("flashgate_worker_provider_errors_total", "failed calls to the payment provider").by(&[
        PROVIDER_VERB,
        Label {
            name: "code",
            values: &[
                "provider_unreachable",
                "provider_timeout",
                "provider_connection_lost",
                "provider_unavailable",
                "provider_access_denied",
                "provider_refused",
                "provider_answer_unreadable",
            ],
        },
    ]),
    Metric::counter("flashgate_worker_audits_total", "background audits of a sale")
        .by(&[Label { name: "verdict", values: &["agrees", "to_redrive", "differs", "failed"] }]),
    Metric::seconds("flashgate_worker_audit_seconds", "time of one background audit"),
    Metric::gauge(
        "flashgate_worker_audit_units",
        "units of a finding of the last audit: at least 1 until it is repaired, then 0",
    )
    .by(&[Label { name: "sale", values: &[] }, Label { name: "finding", values: &[] }]),
    Metric::gauge(
        "flashgate_worker_dependency_up",
        "1: the order store takes writes and chunks are decided; the broker responds; the payment provider responds",
    )
    .by(&[Label { name: "part", values: &["order_store", "broker", "payment_provider"] }]),
];
