//! Parts of a simulated deployment, each alone: the simulated servers keep the contracts of the real ones, and what
//! whole histories rarely come to.

mod audit;
mod gateway;
mod ledger;
mod store;
