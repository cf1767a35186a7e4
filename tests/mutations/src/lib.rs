//! Deliberate breaks of the real code. Each is made in a copy of the tree, and a check that belongs to it must
//! notice: the simulation, a contract suite, or a test. One that nobody notices is a hole in the proof.
//!
//! | module | subject |
//! |---|---|
//! | [`mutation`] | one break: which text of which file becomes what |
//! | [`check`] | what is to notice it, and what that needs |
//! | [`tree`] | the copy that is broken, with a target folder of its own |
//! | [`build`] | cargo in the copy |
//! | [`attempt`] | runs a check, and says who noticed |
//! | [`report`] | the table and the JSON |
//!
//! The breaks are in `list/*.toml`. `scripts/mutate` is the command; docs/PROOFS.md tells what it proves.

pub mod attempt;
pub mod build;
pub mod check;
pub mod mutation;
pub mod report;
pub mod tree;
