//! Deployments on the real servers of `scripts/stack`, a module a subject.
//!
//! One program, since most of the time of a build of many would go into what they have in common.

mod at_payment;
mod audit;
mod bad_input;
mod cancel;
mod check_back;
mod crowded;
mod dead_letters;
mod dependencies;
mod drain;
mod drift;
mod idempotency;
mod isolation;
mod ledger_lost;
mod metrics;
mod my_orders;
mod openapi;
mod operator_input;
mod order_store_faults;
mod outbound;
mod payments;
mod poison;
mod repair;
mod restock;
mod rocketmq_5_3;
mod sale;
mod sale_creation;
mod secure;
mod secure_rocketmq;
mod shards;
mod shortage;
mod strangers;
mod tasks;
mod timeouts;
mod told_to_leave;
mod worker_killed;
