//! The tasks of operators on a running deployment: audit, repair, inspect. One place for the command, the order
//! worker's background audit and any console.
//!
//! The gateways own the ledger and the order workers own the database, so nothing here reads either: it calls the
//! operators' interfaces of both services. The rules of the comparison are in [`flashgate_domain::audit`], without
//! I/O.
//!
//! | module | subject |
//! |---|---|
//! | [`audit`] | compares the ledger with the order store under traffic |
//! | [`repair`] | corrects audit findings |
//! | [`client`] | the operators' interfaces of both services, over gRPC |
//! | [`view`] | what operators see, as JSON |

pub mod audit;
pub mod client;
pub mod repair;
pub mod view;
