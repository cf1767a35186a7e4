//! What several of the programs need.

pub(crate) mod lite_pull;
pub(crate) mod outcome;
pub(crate) mod peer;
pub(crate) mod proxy;
pub(crate) mod stage;

pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
