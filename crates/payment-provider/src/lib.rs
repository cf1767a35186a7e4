//! A payment provider for tests and the demo: it takes payments of buyers, answers the four verbs of
//! `flashgate_payments::http`, sends signed callbacks, and misbehaves on request. Everything is in memory.
//!
//! | module | subject |
//! |---|---|
//! | [`args`] | the command line |
//! | [`app`] | serves the routes until the shutdown |
//! | [`behaviour`] | the ways to misbehave, for attempts and for refunds |
//! | `routes`, `rejection` | HTTP: requests, bearer token, pages, errors |
//! | `provider` | a change, and what follows from it later |
//! | `state` | attempts and refunds, and their rules; no I/O |
//! | `callbacks` | delivers callbacks, again if they are not acknowledged |
//!
//! Real providers have test modes, but they need the internet and an account, and none can lose a callback or a
//! connection on request.
//!
//! # Interface
//!
//! The merchant's requests are those of `flashgate_payments::http`. Beside them:
//!
//! | request | body | effect |
//! |---|---|---|
//! | `POST /pay` | `attempt_id`, `amount_minor`, `currency`, `behaviour`? | a buyer pays; without a token, as in a wallet |
//! | `POST /attempts/{attempt_id}/behaviour` | `behaviour` | scripts an attempt, also before it is paid |
//! | `POST /refunds/behaviour` | `behaviour`, `attempt_id`? | scripts the refunds of an attempt, or of all others |
//! | `POST /refunds/{refund_id}/state` | `state` | changes the state of a refund, with a callback |
//! | `POST /callbacks/replay` | `callback_id` or `attempt_id` | sends callbacks again, with their ids |
//! | `GET /attempts`, `GET /refunds`, `GET /callbacks` | `?after=…&limit=…` | a page of records, and `next` for the following page |
//! | `GET /healthz/live` | | 200, without a token |

pub mod app;
pub mod args;
pub mod behaviour;
mod callbacks;
mod provider;
mod rejection;
mod routes;
mod state;
