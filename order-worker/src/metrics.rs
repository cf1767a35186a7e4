//! Everything that an order worker measures.

use flashgate_service::metrics::{BUS_FAULTS, Label, Metric};

/// Of the order worker.
pub const WORKER: &[Metric] = &[
    Metric::counter("flashgate_worker_outcomes_total", "decided orders")
        .by(&[Label { name: "decision", values: &["confirmed", "out_of_stock", "duplicate_key"] }]),
    Metric::sizes("flashgate_worker_chunk_batches", "batches in a transaction"),
    Metric::sizes("flashgate_worker_chunk_orders", "orders in a transaction"),
    Metric::seconds("flashgate_worker_chunk_seconds", "a chunk from poll to offset"),
    Metric::gauge("flashgate_worker_consumer_lag_messages", "batches that wait for this worker"),
    Metric::counter("flashgate_worker_apply_retries_total", "chunks tried again").by(&[Label {
        name: "reason",
        values: &["duplicate", "deadlock", "lock_wait", "store_unavailable", "store_contended"],
    }]),
    Metric::gauge("flashgate_worker_blocked_sales", "sales whose row somebody else holds"),
    Metric::gauge(
        "flashgate_worker_parked_orders",
        "orders of those that wait in the worker, while those of other sales go on",
    ),
    Metric::counter(
        "flashgate_worker_abandoned_sessions_total",
        "MySQL connections that were left with something under way, and what became of them on the server",
    )
    .by(&[Label { name: "result", values: &["killed", "gone", "refused", "unreachable"] }]),
    Metric::counter(
        "flashgate_worker_foreign_batches_total",
        "batches of another ledger: nothing of their chunks was decided",
    ),
    Metric::counter("flashgate_worker_careful_chunks_total", "chunks decided order by order")
        .by(&[Label { name: "reason", values: &["shortage", "duplicate"] }]),
    Metric::counter("flashgate_worker_dead_letters_total", "messages given up").by(&[Label {
        name: "reason",
        values: &["undecodable", "unknown_sale", "order_ids_taken", "store_refused", "store_corrupt"],
    }]),
    Metric::counter("flashgate_worker_publish_faults_total", "messages not published at the first attempt")
        .by(&[
            Label { name: "what", values: &["outcomes", "dead_letters", "sales", "replays"] },
            Label { name: "code", values: BUS_FAULTS },
        ]),
    Metric::counter("flashgate_worker_audits_total", "audits of a sale in the background")
        .by(&[Label { name: "verdict", values: &["agrees", "to_redrive", "differs", "failed"] }]),
    Metric::seconds("flashgate_worker_audit_seconds", "one of them"),
    Metric::gauge(
        "flashgate_worker_audit_units",
        "units of what the last audit found; 0 when it is mended, at least 1 while it is not",
    )
    .by(&[Label { name: "sale", values: &[] }, Label { name: "finding", values: &[] }]),
    Metric::gauge(
        "flashgate_worker_store_up",
        "1: the order store takes writes, and what was taken from the broker is being decided",
    ),
    Metric::gauge("flashgate_worker_bus_up", "1: the broker answers"),
];
