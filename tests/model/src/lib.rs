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
//! | [`lifecycle`] | cancelled orders: events, returns, log entries that expire |
//! | [`payment`] | orders that are paid, or not in time, and refunds |
//! | [`rebuild`] | a rebuild of the ledger from the orders |
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
//! | `Cancel` | `Orders::make`: `LifecycleRepository::change_order`, one transaction |
//! | `AskToPay`, `Pay`, `Refund` | `Orders::make`: a look-up, then `LifecycleRepository::change_order` |
//! | `PassPayBy`, `Sweep` | a payment deadline passes; `DeadlineRepository::expire`, one transaction |
//! | `LookUp`, `Close` | `Orders::find` of an overdue order: the order is read, then `LifecycleRepository::change_order` |
//! | `Publish`, `MarkPublished` | `EventPublisher::publish`: `publish_one`, then `LifecycleRepository::mark_published` |
//! | `Return` | `Returns::attempt`: `return_units.lua`, with the offset moved or not |
//! | `Expire` | Redis deletes the log entry of a settled batch (`PEXPIRE` in `settle.lua`) |
//! | `BeginRebuild`, `ReadOrders`, `Restore`, `EndRebuild` | `Rebuild::run`: `rebuild.lua`, a page, `restore.lua`, `resume.lua` |
//! | `CrashRebuild` | an operator starts an interrupted rebuild again |
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
//! - The queue of events in a worker's memory: a sweep can publish at any time what the queue can, and an event that
//!   both publish is one whose first answer was lost. A crash between a return and its offset is `Return` without
//!   the offset.
//! - The timer of a payment deadline does what a sweep can do at any time, and one that comes early does nothing. A
//!   lost one is a sweep that takes long.
//! - An order that was shipped or finished is a paid one that nobody cancels. Only what returns a unit has an event.
//! - An event waits for the settlement as long as it takes. In the code it is given up after a minute, and a repair
//!   publishes it again.
//! - A log entry expires only when no gateway is in doubt about its batch, and no check-back comes after: the
//!   configuration refuses a retention of less than a day (`LOG_RETENTION_HOURS_MIN`).
//! - A rebuild is complete in itself: it deletes the sale first, so what a failover left of it makes no difference,
//!   and a world has either failovers or rebuilds. It begins when every batch is decided and settled.
//! - `DuplicateKey` needs a failover: without one, the ledger never lets a key through twice.
//! - After a failover, the pause of a sale that went back is left out, and so are the totals of a ledger that is
//!   behind, and the events that it has lost.
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
//! with retries, cancelled orders, payments, rebuilds, units that are missing, and failovers. The command takes any:
//!
//! ```text
//! cargo run --release -p flashgate-model -- --orders 3 --units 2 --crashes 3 --duplicates 3
//! cargo run --release -p flashgate-model -- --cancels 2 --rebuilds 1 --crashes 1 --duplicates 1
//! ```

pub mod action;
pub mod gateway;
pub mod ledger;
pub mod lifecycle;
pub mod model;
pub mod outbound;
pub mod payment;
pub mod properties;
pub mod rebuild;
pub mod report;
pub mod restock;
pub mod scale;
pub mod state;
pub mod variants;
pub mod worker;
