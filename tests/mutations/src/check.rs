//! What can notice a break, from the cheapest to the dearest.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::Deserialize;

/// A program of tests, or the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The consumer of the order worker on doubles.
    Worker,
    /// The contract of the order store, on SQLite.
    SqliteStore,
    /// The contract of the order store, on MySQL.
    MysqlStore,
    /// The contract of the ledger, on SQLite.
    SqliteLedger,
    /// The contract of the ledger, on Redis.
    RedisLedger,
    /// What the ledger on SQLite says of a commit that fails.
    SqliteCommit,
    /// What the ledger on Redis does when its server fails.
    RedisFaults,
    /// What the ledger on Redis says of a call of which nobody knows whether it happened.
    RedisDoubt,
    /// What is left of scripts of the ledger on Redis that were broken off half-way.
    RedisBrokenOff,
    /// What the ledger on Redis demands of its server.
    RedisRights,
    /// Parts of the gateway on simulated servers.
    GatewayParts,
    /// Audits of a simulated deployment.
    SimulatedAudit,
    /// Whole histories of real gateways and workers on simulated servers.
    Simulation,
    /// The contract of the messaging, on Apache's broker.
    Rocketmq,
    /// What the messaging makes of brokers that are dead, frozen, or the wrong ones.
    BrokerFaults,
    /// The listener of all services, against peers that write their bytes themselves.
    Listener,
    /// The end of a process that hangs.
    Shutdown,
    /// What becomes of a background task that dies.
    Supervision,
}

/// How many histories the simulation runs for one break. All breaks of the list are found in far fewer.
const SEEDS: u32 = 3_000;

impl Check {
    /// The folder of its package.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Worker => "order-worker",
            Self::SqliteStore => "crates/order-store-sqlite",
            Self::MysqlStore => "crates/order-store-mysql",
            Self::SqliteLedger | Self::SqliteCommit => "crates/ledger-sqlite",
            Self::RedisLedger
            | Self::RedisFaults
            | Self::RedisDoubt
            | Self::RedisBrokenOff
            | Self::RedisRights => "crates/ledger-redis",
            Self::GatewayParts | Self::SimulatedAudit | Self::Simulation => "tests/simulation",
            Self::Rocketmq | Self::BrokerFaults => "crates/messaging",
            Self::Listener | Self::Shutdown => "crates/service",
            Self::Supervision => "crates/supervision",
        }
    }

    /// The integration test that cargo is to build; for the simulation the one that has the binary built too.
    pub const fn test(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::SqliteStore | Self::SqliteLedger => "sqlite",
            Self::MysqlStore => "mysql",
            Self::RedisLedger => "redis",
            Self::SqliteCommit => "sqlite_commit",
            Self::RedisFaults => "redis_faults",
            Self::RedisDoubt => "redis_doubt",
            Self::RedisBrokenOff => "redis_broken_off",
            Self::RedisRights => "redis_rights",
            Self::GatewayParts | Self::SimulatedAudit => "parts",
            Self::Simulation => "seeds",
            Self::Rocketmq => "rocketmq",
            Self::BrokerFaults => "broker_faults",
            Self::Listener => "listener",
            Self::Shutdown => "shutdown",
            Self::Supervision => "supervision",
        }
    }

    /// The name of what is run.
    pub const fn program(self) -> &'static str {
        if matches!(self, Self::Simulation) { "flashgate-sim" } else { self.test() }
    }

    /// What it is told.
    pub fn arguments(self, filter: &str) -> Vec<String> {
        if self == Self::Simulation {
            return vec!["--seeds".to_owned(), SEEDS.to_string()];
        }
        // Both are modules of one program.
        let filter = match (self, filter) {
            (Self::GatewayParts, "") => "gateway::",
            (Self::SimulatedAudit, "") => "audit::",
            (_, filter) => filter,
        };
        [filter].into_iter().filter(|filter| !filter.is_empty()).map(str::to_owned).collect()
    }

    /// The servers that it needs, as `scripts/stack --only` names them.
    pub const fn servers(self) -> &'static [&'static str] {
        match self {
            Self::MysqlStore => &["mysql"],
            Self::RedisLedger | Self::RedisBrokenOff => &["redis"],
            Self::Rocketmq => &["rocketmq"],
            Self::Worker
            | Self::SqliteStore
            | Self::SqliteLedger
            | Self::SqliteCommit
            | Self::RedisFaults
            | Self::RedisDoubt
            | Self::RedisRights
            | Self::GatewayParts
            | Self::SimulatedAudit
            | Self::Simulation
            | Self::BrokerFaults
            | Self::Listener
            | Self::Shutdown
            | Self::Supervision => &[],
        }
    }

    /// How long it may run, several times what it takes when nothing is broken. Broken code may never end.
    pub const fn time_max(self) -> Duration {
        match self {
            Self::Simulation | Self::Rocketmq => Duration::from_secs(600),
            Self::Worker
            | Self::SqliteStore
            | Self::MysqlStore
            | Self::SqliteLedger
            | Self::RedisLedger
            | Self::SqliteCommit
            | Self::RedisFaults
            | Self::RedisDoubt
            | Self::RedisBrokenOff
            | Self::RedisRights
            | Self::GatewayParts
            | Self::SimulatedAudit
            | Self::BrokerFaults
            | Self::Listener
            | Self::Shutdown
            | Self::Supervision => Duration::from_secs(300),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "worker on doubles",
            Self::SqliteStore => "order store contract, SQLite",
            Self::MysqlStore => "order store contract, MySQL",
            Self::SqliteLedger => "ledger contract, SQLite",
            Self::RedisLedger => "ledger contract, Redis",
            Self::SqliteCommit => "a commit that fails, SQLite",
            Self::RedisFaults => "Redis that fails",
            Self::RedisDoubt => "calls in doubt, Redis",
            Self::RedisBrokenOff => "scripts that are broken off, Redis",
            Self::RedisRights => "what is demanded of Redis",
            Self::GatewayParts => "parts of the gateway",
            Self::SimulatedAudit => "audits of simulated servers",
            Self::Simulation => "simulation",
            Self::Rocketmq => "messaging contract, RocketMQ",
            Self::BrokerFaults => "brokers that fail",
            Self::Listener => "listener, raw peers",
            Self::Shutdown => "shutdown of a real process",
            Self::Supervision => "background tasks that die",
        })
    }
}

/// The servers that some checks need, each once.
pub fn servers(checks: impl IntoIterator<Item = Check>) -> Vec<&'static str> {
    let servers: BTreeSet<&str> = checks.into_iter().flat_map(|check| check.servers()).copied().collect();
    servers.into_iter().collect()
}
