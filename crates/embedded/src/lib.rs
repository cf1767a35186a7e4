//! A whole deployment in one process: gateway, order worker, broker, and both stores on SQLite.
//!
//! | module | subject |
//! |---|---|
//! | [`serve`] | `flashgate serve`: the deployment on a folder |
//! | [`demo`] | `flashgate demo`: a flash sale on it, and the proof from the files of both stores |

pub mod demo;
pub mod serve;
