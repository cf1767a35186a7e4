//! Where the real servers are.

use std::env;

use crate::secure::Secure;

/// The servers of `scripts/stack`, as its `stack.env` names them.
#[derive(Clone, Debug)]
pub struct Stack {
    /// `redis://host:port`, or `rediss://user:password@host:port` of an administrator.
    pub redis_url: String,
    /// `mysql://user:password@host:port/database`; the user may create databases.
    pub mysql_url: String,
    /// `host:port` of the RocketMQ name server.
    pub name_server: String,
    /// `host:port` of the RocketMQ broker, as the name server tells it.
    pub broker: String,
    /// Certificates and passwords, if it is a secure one.
    pub secure: Option<Secure>,
}

impl Stack {
    /// Reads the environment.
    ///
    /// # Panics
    /// If a variable is not set. A test without its servers has not passed.
    pub fn from_env() -> Self {
        Self {
            redis_url: variable("FLASHGATE_REDIS_URL"),
            mysql_url: variable("FLASHGATE_MYSQL_URL"),
            name_server: variable("FLASHGATE_NAMESRV"),
            broker: variable("FLASHGATE_BROKER"),
            secure: Secure::from_variables(&env::vars().collect()),
        }
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_unset| {
        panic!("{name} is not set: start the servers with `scripts/stack up --dir DIR`, then `source DIR/stack.env`")
    })
}
