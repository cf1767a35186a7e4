//! The list of targets.

use crate::{bodies, payments, requests, servers};

/// A decoder to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called: the name of its corpus, too.
    pub name: &'static str,
    /// Decodes the bytes; whether they were taken.
    pub run: fn(&[u8]) -> bool,
}

/// Every target.
pub const ALL: [Target; 17] = [
    Target { name: "batch_body", run: bodies::batch },
    Target { name: "outcomes_body", run: bodies::outcomes },
    Target { name: "lifecycle_body", run: bodies::lifecycle },
    Target { name: "timer_body", run: bodies::timer },
    Target { name: "sale_event_body", run: bodies::sale_event },
    Target { name: "ids", run: bodies::ids },
    Target { name: "http_buy", run: requests::http_buy },
    Target { name: "grpc_requests", run: requests::grpc },
    Target { name: "redis_replies", run: servers::redis_reply },
    Target { name: "ledger_notes", run: servers::ledger_note },
    Target { name: "rocketmq_frames", run: servers::rocketmq_frames },
    Target { name: "rocketmq_stored", run: servers::rocketmq_stored },
    Target { name: "rocketmq_properties", run: servers::rocketmq_properties },
    Target { name: "rocketmq_route", run: servers::rocketmq_route },
    Target { name: "webhook_headers", run: payments::webhook },
    Target { name: "callback_body", run: payments::body },
    Target { name: "attempt_id", run: payments::attempt_id },
];

/// The target of that name.
pub fn named(name: &str) -> Option<Target> {
    ALL.into_iter().find(|target| target.name == name)
}
