//! The ledger on Redis. To come.
