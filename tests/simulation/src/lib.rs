//! Deterministic simulation: the real gateway and the real order worker, on servers, a network and a clock that
//! one seed owns. One seed gives one history, byte for byte.
//!
//! | module | subject |
//! |---|---|
//! | [`history`] | what happens: setup and operations, drawn before anything runs |
//! | [`world`] | does it, heals everything, runs until nothing is left to do |
//! | [`check`] | what must hold all along, and at the end |
//! | [`gateway`], [`worker`] | the processes: `flashgate_gateway::engine`, `flashgate_order_worker::consume`, `lifecycle` and `payments` |
//! | [`stranger`] | a gateway of another deployment, on the same topics by mistake |
//! | [`buyers`], [`orders`] | who buys, looks up, cancels and pays, and what came of it |
//! | [`process`], [`life`] | starts and kills them, at any point where they cross the network |
//! | [`network`] | latency, losses in either direction, requests that arrive after their caller gave up |
//! | [`ledger`], [`broker`], [`store`], [`registry`] | the servers. Ledger and store pass the contract suites |
//! | [`provider`] | the payment provider, with its callbacks |
//! | [`audit`], [`repair`], [`desk`] | the operator's proof and repairs, and the interfaces that they call |
//! | [`run`], [`seeds`], [`shrink`] | one history; many; the shortest that fails |
//! | [`flaw`] | deliberate breaks, to show that the checks can fail |
//!
//! What makes a run repeat: a runtime of one thread whose clock only moves when everybody waits
//! (`start_paused`), a random stream for each part (`random`), no collection whose order is not its own, and
//! `biased` in every `select!` of the code under test.

pub mod audit;
pub mod broker;
pub mod buyers;
pub mod check;
pub mod clock;
pub mod desk;
pub mod flaw;
pub mod gateway;
pub mod history;
pub mod ledger;
pub mod life;
pub mod network;
pub mod orders;
pub mod process;
pub mod provider;
pub mod random;
pub mod registry;
pub mod repair;
pub mod run;
pub mod seeds;
pub mod servers;
pub mod shrink;
pub mod store;
pub mod stranger;
pub mod trace;
pub mod worker;
pub mod world;
