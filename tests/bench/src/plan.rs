//! What is measured, in which order, how often and for how long.
//!
//! The measures of a section take turns, so that whatever disturbs the machine disturbs all of them.

use std::{fmt, time::Duration};

use clap::ValueEnum;

use crate::load::Protocol;

/// One thing to measure. Its name (`Display`) is the key of its repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// A server that only reads and writes JSON.
    Echo {
        /// Connections.
        connections: usize,
    },
    /// Purchases that are accepted.
    Buys(Buys),
    /// Answers of a sale that has nothing left.
    SoldOut {
        /// Connections.
        connections: usize,
    },
    /// Rival: a gateway with batches of one.
    OneOrderAMessage {
        /// Batches on the way at once.
        lanes: usize,
        /// Connections.
        connections: usize,
    },
    /// Rival: one script a request and no message.
    OneScript {
        /// Connections.
        connections: usize,
    },
    /// Rival: RocketMQ's Java client, one order a message, no HTTP.
    Java {
        /// Threads.
        threads: usize,
    },
    /// Rival: one order a database transaction.
    OneTransaction {
        /// Connections.
        connections: usize,
    },
    /// The order worker, from a backlog.
    Drain {
        /// How many sales the orders are of.
        sales: usize,
    },
    /// From accepted to confirmed, at a part of what the gateway can take.
    Confirmed {
        /// The part.
        percent: u32,
    },
    /// Purchases in an open loop, at a multiple of what the gateway can take.
    Overload {
        /// The multiple.
        times: u32,
    },
}

/// How purchases are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Buys {
    /// How requests are sent.
    pub protocol: Protocol,
    /// Connections.
    pub connections: usize,
    /// Requests at once on each.
    pub in_flight: usize,
    /// Gateways that connections take turns at.
    pub gateways: usize,
    /// Sales that are asked for, each as often as the others.
    pub sales: usize,
    /// Requests that repeat an earlier one.
    pub duplicates_percent: u32,
    /// What the order worker does meanwhile.
    pub worker: Worker,
}

/// What the order worker does while purchases are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worker {
    /// Places orders as fast as they come.
    Free,
    /// Places so many a second at most, and the rest when the load is over: the database stays calm.
    Paced {
        /// The setting `consume.orders_per_second_max`.
        orders_per_second: u32,
    },
    /// Stands still.
    Stopped,
}

impl Buys {
    /// The plain case: HTTP, one gateway, one sale, everything at work.
    pub const fn at(connections: usize) -> Self {
        Self {
            protocol: Protocol::Http1,
            connections,
            in_flight: 1,
            gateways: 1,
            sales: 1,
            duplicates_percent: 0,
            worker: Worker::Free,
        }
    }

    /// The plain case in a rush that the database is kept out of.
    pub const fn paced() -> Self {
        Self { worker: Worker::Paced { orders_per_second: 5_000 }, ..Self::at(256) }
    }

    /// The plain case while nothing is confirmed: what accepting takes by itself.
    pub const fn unconfirmed() -> Self {
        Self { worker: Worker::Stopped, ..Self::at(256) }
    }

    /// 256 requests at once over 16 connections.
    const fn grpc(protocol: Protocol) -> Self {
        Self { protocol, in_flight: 16, ..Self::at(16) }
    }
}

/// Measures that take turns.
#[derive(Clone, Debug)]
pub struct Section {
    /// What it is called, for `--only`.
    pub name: &'static str,
    /// How often each is repeated.
    pub rounds: usize,
    /// In this order.
    pub measures: Vec<Measure>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Extent {
    /// Within five minutes: what changes most.
    Quick,
    /// Everything: most of an hour.
    Full,
}

impl Extent {
    /// How long a load takes.
    pub const fn load_time(self) -> Duration {
        match self {
            Self::Quick => Duration::from_millis(1_500),
            Self::Full => Duration::from_secs(5),
        }
    }

    /// How many orders a backlog has.
    pub const fn backlog_orders(self) -> u64 {
        match self {
            Self::Quick => 100_000,
            Self::Full => 1_000_000,
        }
    }

    /// What is measured.
    pub fn sections(self) -> Vec<Section> {
        match self {
            Self::Quick => quick(),
            Self::Full => full(),
        }
    }
}

fn quick() -> Vec<Section> {
    use Measure::{Buys as Buy, Confirmed, Drain, Java, OneScript, OneTransaction, Overload, SoldOut};
    let section = |name, rounds, measures| Section { name, rounds, measures };
    let plain = Buy(Buys::at(256));
    vec![
        section(
            "buying",
            5,
            vec![
                Measure::Echo { connections: 256 },
                plain,
                OneScript { connections: 256 },
                SoldOut { connections: 256 },
                Measure::OneOrderAMessage { lanes: 16, connections: 256 },
                Buy(Buys::at(64)),
                Buy(Buys::at(1)),
            ],
        ),
        section("rivals", 3, vec![plain, Java { threads: 32 }, Buy(Buys::grpc(Protocol::GrpcStream))]),
        section(
            "rush",
            5,
            vec![
                Measure::Echo { connections: 256 },
                Buy(Buys::paced()),
                Buy(Buys::unconfirmed()),
                OneScript { connections: 256 },
            ],
        ),
        section("memory", 1, vec![Buy(Buys::at(1_024))]),
        section("confirmed", 1, vec![Confirmed { percent: 50 }]),
        section("overload", 1, vec![Overload { times: 1 }, Overload { times: 10 }]),
        section("drain", 3, vec![Drain { sales: 1 }, OneTransaction { connections: 1 }]),
        section("sales", 3, vec![plain, Buy(Buys { sales: 1_000, ..Buys::at(256) })]),
    ]
}

fn full() -> Vec<Section> {
    use Measure::{Buys as Buy, Confirmed, Drain, Echo, Java, OneScript, OneTransaction, Overload, SoldOut};
    let section = |name, rounds, measures| Section { name, rounds, measures };
    let plain = Buy(Buys::at(256));
    let half = |lanes| Measure::OneOrderAMessage { lanes, connections: 256 };
    vec![
        section(
            "buying",
            7,
            vec![
                Echo { connections: 256 },
                plain,
                OneScript { connections: 256 },
                SoldOut { connections: 256 },
                Buy(Buys::at(64)),
                Buy(Buys::at(1)),
                Buy(Buys::paced()),
                Buy(Buys::unconfirmed()),
            ],
        ),
        section(
            "connections",
            5,
            [1, 16, 64, 256, 1_024]
                .into_iter()
                .flat_map(|connections| {
                    [Echo { connections }, Buy(Buys::at(connections)), OneScript { connections }]
                })
                .collect(),
        ),
        section(
            "rivals",
            5,
            vec![
                plain,
                half(8),
                half(16),
                half(32),
                Java { threads: 1 },
                Java { threads: 8 },
                Java { threads: 16 },
                Java { threads: 32 },
            ],
        ),
        section(
            "protocols",
            5,
            vec![plain, Buy(Buys::grpc(Protocol::Grpc)), Buy(Buys::grpc(Protocol::GrpcStream))],
        ),
        section("duplicates", 5, vec![plain, Buy(Buys { duplicates_percent: 20, ..Buys::at(256) })]),
        section("gateways", 5, vec![plain, Buy(Buys { gateways: 2, ..Buys::at(256) })]),
        section("memory", 1, vec![Buy(Buys::at(1_024))]),
        section("confirmed", 5, [25, 50, 100].map(|percent| Confirmed { percent }).to_vec()),
        section("overload", 5, vec![Overload { times: 1 }, Overload { times: 10 }]),
        section(
            "drain",
            5,
            vec![
                Drain { sales: 1 },
                OneTransaction { connections: 1 },
                OneTransaction { connections: 8 },
                OneTransaction { connections: 64 },
            ],
        ),
        section(
            "sales",
            5,
            vec![
                plain,
                Buy(Buys { sales: 10, ..Buys::at(256) }),
                Buy(Buys { sales: 1_000, ..Buys::at(256) }),
            ],
        ),
        section("drain-sales", 5, vec![Drain { sales: 1_000 }]),
    ]
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo { connections } => write!(f, "echo@{connections}"),
            Self::Buys(buys) => buys.fmt(f),
            Self::SoldOut { connections } => write!(f, "sold-out@{connections}"),
            Self::OneOrderAMessage { lanes, connections } => {
                write!(f, "one-order-a-message@{connections}/lanes={lanes}")
            }
            Self::OneScript { connections } => write!(f, "one-script@{connections}"),
            Self::Java { threads } => write!(f, "java/threads={threads}"),
            Self::OneTransaction { connections } => write!(f, "one-transaction@{connections}"),
            Self::Drain { sales } => write!(f, "drain/sales={sales}"),
            Self::Confirmed { percent } => write!(f, "confirmed/load={percent}%"),
            Self::Overload { times } => write!(f, "overload/times={times}"),
        }
    }
}

impl fmt::Display for Buys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = self.connections;
        match self.protocol {
            Protocol::Http1 => write!(f, "buys@{connections}")?,
            Protocol::Grpc | Protocol::GrpcStream => {
                write!(f, "buys@{connections}x{}/{}", self.in_flight, self.protocol.name())?;
            }
        }
        if self.gateways > 1 {
            write!(f, "/gateways={}", self.gateways)?;
        }
        if self.sales > 1 {
            write!(f, "/sales={}", self.sales)?;
        }
        if self.duplicates_percent > 0 {
            write!(f, "/duplicates={}%", self.duplicates_percent)?;
        }
        match self.worker {
            Worker::Free => {}
            Worker::Paced { orders_per_second } => write!(f, "/worker={orders_per_second}")?,
            Worker::Stopped => write!(f, "/no-worker")?,
        }
        Ok(())
    }
}
