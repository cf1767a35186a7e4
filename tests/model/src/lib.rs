//! The protocol of flashgate as a small model, every state of which is visited.
//!
//! The model says what happens, not how: one order a batch, one unit an order, no time. Whatever a time-out, a
//! lost message or a slow process can do is a choice, and all choices are tried. So it proves the protocol for
//! the worlds that it covers, and nothing about the code; that is what the simulation is for.
//!
//! | module | subject |
//! |---|---|
//! | [`scale`] | how much there is, and how much may go wrong |
//! | [`state`], [`action`] | the world at a moment, and what can happen next |
//! | [`gateway`], [`ledger`], [`worker`], [`model`] | what each process does; the broker is in `model` |
//! | [`properties`] | what must hold |
//! | [`variants`] | the protocol broken on purpose, and what a failover breaks |
//! | [`report`] | traces |
//!
//! # What each action stands for
//!
//! | action | in the code |
//! |---|---|
//! | `SendHalf` | `Transactions::send_half`, and the call of `Selling::deduct` that follows its answer |
//! | `Deduct`, `DeductLate` | `deduct.lua`; `Transactions::run` hears the answer, or nobody does |
//! | `DeductNothing` | `LedgerError::nothing_done` in `Transactions::run` |
//! | `Resend` | `Servers::send` of the Redis ledger, after `CliError::Lost` |
//! | `TimeOut` | `LedgerError::NoAnswer` in `Transactions::run` |
//! | `AskFate`, `GiveUp` | `Transactions::settle_doubt`: `check_back.lua`, or `End::Unknown` |
//! | `Commit`, `Rollback` | `TransactionProducer::resolve` arrives at the broker, from whomever it comes |
//! | `PassDeadline` | `Transactions::commit`, accepted without an answer |
//! | `CheckBack`, `CheckBackAgain` | `CheckBack::resolve`, before the fate is known and after |
//! | `Redeliver` | the broker's at-least-once delivery; a commit that is repeated |
//! | `Take`, `Place`, `Announce`, `Acknowledge` | `Consumer::step`: `ChunkBuilder::chunk`, `OrderRepository::apply`, `ResultPublisher::outcomes`, `Subscription::commit` |
//! | `Settle` | `Settlement::settle`: `settle.lua`, with the offset moved or not |
//! | `Retry` | a buyer's second request: `Selling::screen`, then a new batch; also `End::Again` |
//! | `Cancel`, `GiveBack` | a cancelled order returns its unit, tied to its id (`docs/DESIGN.md`, Orders) |
//! | `Replicate`, `FailOver` | Redis goes back to a replica |
//! | `CrashGateway`, `CrashWorker` | SIGKILL, and the start after it |
//! | `Lose…` | the network |
//!
//! # What is left out, and why that is sound
//!
//! - A crashed process is up again at once. One that is down takes no step, and neither does a slow one.
//! - A crash between the settling of an outcome and its offset is `Settle` without the offset, and counts as a
//!   duplicate; one between a check-back and its verdict is a verdict that gets lost, and counts as nothing.
//! - Which gateway answers a check-back is not told: none remembers anything about it.
//! - The broker never stops asking. Half-messages that it puts aside after its last question are for the
//!   operator's repair.
//! - What changes nothing whenever it arrives is taken off the way ([`state::State`] tells what).
//! - `DuplicateKey` needs a failover: without one, the ledger never lets a key through twice.
//! - After a failover, the pause of a sale that went back and its rebuild are left out, and so are the totals
//!   of a ledger that is behind.
//!
//! # A deduction is never sent twice
//!
//! A deduction that was sent twice could be refused by its second copy while the first is still on its way, and
//! the first could find units again that came back on sale in between. So the model, and the Redis ledger
//! (`Script::can_be_repeated`), take a lost answer for a doubt and ask for the fate, which leaves a fence.
//! [`variants::Break::RefusalAfterResend`] takes the refusal for final.
//!
//! # How sure it is
//!
//! Two states are taken for one if their 64-bit hashes agree. Among 10 million states, that happens by chance
//! once in 370,000 checks.
//!
//! # Larger worlds
//!
//! `cargo test -p flashgate-model` checks 2 orders for 1 unit with 2 crashes and 2 duplicates, and some worlds
//! with retries, cancelled orders, units that are missing, and failovers. The command takes any:
//!
//! ```text
//! cargo run --release -p flashgate-model -- --orders 3 --units 2 --crashes 3 --duplicates 3
//! ```

pub mod action;
pub mod gateway;
pub mod ledger;
pub mod model;
pub mod properties;
pub mod report;
pub mod scale;
pub mod state;
pub mod variants;
pub mod worker;
