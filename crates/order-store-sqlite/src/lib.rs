//! The order store on SQLite, for the embedded mode: one file, one connection, one thread.
//!
//! A commit is on the disk before it is acknowledged (a write-ahead log, synchronous FULL), so a killed process loses
//! nothing that it acknowledged. No other process can open the file meanwhile: what the thread reads stays valid until
//! it writes, and no transaction ever waits for another or is retried.
//!
//! Each trait is implemented in the file of its subject: `apply`, `lifecycle`, `deadlines`, `payments`, `sales`,
//! `snapshot`, `repairs`, `deployment`.

mod apply;
mod deadlines;
mod deployment;
mod fault;
mod lifecycle;
mod open;
mod payments;
mod repairs;
mod rows;
mod sales;
mod schema;
mod settings;
mod snapshot;
mod thread;
mod write;

pub use open::OpenError;
pub use settings::SqliteSettings;
pub use thread::SqliteStore;
