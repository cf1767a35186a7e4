//! Parts of the gateway, each alone on the simulated ledger: what whole histories rarely come to.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod marks;
mod orders;
mod outcomes;
mod returns;
mod sales;
mod scene;
mod whole;
