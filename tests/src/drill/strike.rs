//! What can be done to a deployment, and undone.

use std::{fmt, time::Duration};

use flashgate_domain::SaleId;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use tokio::time::sleep;

use super::Field;
use crate::{lines::Between, own_stack::Part, process::Process, proxy::Line, rush::Rush};

/// The named steps of a gateway at which it can be killed: `gateway/src/buy/transaction.rs`.
pub const GATEWAY_STEPS: [&str; 2] = ["gateway_after_half", "gateway_after_deduct"];
/// The named steps of an order worker without payments: `order-worker/src/consume.rs` and the stores.
pub const WORKER_STEPS: [&str; 6] = [
    "after_poll",
    "after_begin",
    "before_db_commit",
    "after_db_commit",
    "after_outcomes",
    "before_offset_commit",
];

/// Which strikes a drill makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One server, killed and frozen in turn.
    Server(Part),
    /// Every server, killed and frozen in turn.
    Servers,
    /// Every server, killed only.
    ServerKills,
    /// Gateways, killed and frozen at random.
    Gateways,
    /// Order workers, killed and frozen at random.
    Workers,
    /// Gateways and workers, killed at each named step in turn.
    Steps,
    /// The lines to Redis, MySQL and the worker: cut, silent, slow.
    Lines,
    /// The broker, away for longer than its checks of a half-message would last with its own defaults.
    BrokerAway,
    /// The disks of MySQL and of the broker become full in turn: [`Field::on_small_disks`].
    Disks,
    /// Anything of all that but the last two.
    Storm,
}

/// One thing that is done, and mended before buyers are looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// SIGKILL to a server, and a start on what it had stored after a while.
    Kill(Part, Duration),
    /// SIGSTOP to a server for a while.
    Freeze(Part, Duration),
    /// SIGKILL to a gateway.
    KillGateway(usize),
    /// SIGSTOP to a gateway for a while.
    FreezeGateway(usize, Duration),
    /// SIGKILL to an order worker.
    KillWorker(usize),
    /// SIGSTOP to an order worker for a while.
    FreezeWorker(usize, Duration),
    /// The first gateway dies at a named step, at its n-th time there.
    GatewayStep(&'static str, u32),
    /// The first worker dies at a named step, at its n-th time there.
    WorkerStep(&'static str, u32),
    /// MySQL's disk becomes full, and has room again. Then MySQL goes on by itself, or is killed and started by an
    /// operator who does not want to wait a minute.
    FillMysql {
        /// Which of the two.
        restart: bool,
    },
    /// The broker's disk becomes full, and has room again.
    FillBroker,
    /// A line of a proxy for a while.
    Line(Between, Line, Duration),
}

/// 15 checks of 5 s each, which the broker of the drills makes, after the 3 s before the first.
const CHECKS_TIME: Duration = Duration::from_secs(80);

fn moment(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(50..4_000))
}

impl Kind {
    /// Strike number `number` of a drill.
    pub fn strike(self, number: usize, random: &mut StdRng) -> Strike {
        let (either, turn) = (random.random_range(0..2), number.is_multiple_of(2));
        match self {
            Self::Server(part) if turn => Strike::Kill(part, moment(random)),
            Self::Server(part) => Strike::Freeze(part, moment(random)),
            Self::Servers => Self::Server(Part::ALL[number / 2 % Part::ALL.len()]).strike(number, random),
            Self::ServerKills => Strike::Kill(Part::ALL[number % Part::ALL.len()], moment(random)),
            Self::Gateways if turn => Strike::KillGateway(either),
            Self::Gateways => Strike::FreezeGateway(either, moment(random)),
            Self::Workers if turn => Strike::KillWorker(either),
            Self::Workers => Strike::FreezeWorker(either, moment(random)),
            Self::Steps => {
                let (step, hit) =
                    (number % (GATEWAY_STEPS.len() + WORKER_STEPS.len()), random.random_range(1..20));
                match step.checked_sub(GATEWAY_STEPS.len()) {
                    None => Strike::GatewayStep(GATEWAY_STEPS[step], hit),
                    Some(step) => Strike::WorkerStep(WORKER_STEPS[step], hit.div_ceil(4)),
                }
            }
            Self::Lines => {
                let places =
                    [Between::GatewaysAndRedis, Between::GatewaysAndWorker, Between::WorkersAndMysql];
                let line = match random.random_range(0..3) {
                    0 => Line::Cut,
                    1 => Line::Silent,
                    _ => Line::Slow(Duration::from_millis(random.random_range(5..300))),
                };
                Strike::Line(places[number % places.len()], line, moment(random))
            }
            Self::BrokerAway => Strike::Kill(Part::Broker, CHECKS_TIME),
            Self::Disks if turn => Strike::FillMysql { restart: number.is_multiple_of(4) },
            Self::Disks => Strike::FillBroker,
            Self::Storm => {
                let kinds = [Self::Servers, Self::Gateways, Self::Workers, Self::Steps, Self::Lines];
                let (kind, number) = (kinds.choose(random).copied(), random.random_range(0..1_000));
                kind.unwrap_or(Self::Servers).strike(number, random)
            }
        }
    }
}

impl Field {
    /// Strikes, and mends it.
    pub(super) async fn strike(&mut self, strike: &Strike, sale: SaleId, rush: &Rush) {
        match *strike {
            Strike::Kill(part, away) => {
                self.servers.kill(part).await;
                sleep(away).await;
                self.servers.start_again(part).await;
            }
            Strike::Freeze(part, away) => {
                self.servers.freeze(part).await;
                sleep(away).await;
                self.servers.thaw(part).await;
            }
            Strike::KillGateway(number) => {
                self.shop.gateways[number].process.kill().await;
                self.start_gateway(number).await;
            }
            Strike::FreezeGateway(number, away) => {
                freeze(&self.shop.gateways[number].process, away).await;
            }
            Strike::KillWorker(number) => {
                self.shop.workers[number].process.kill().await;
                self.start_worker(number).await;
            }
            Strike::FreezeWorker(number, away) => freeze(&self.shop.workers[number].process, away).await,
            Strike::GatewayStep(step, hit) => {
                self.shop.gateways[0].process.kill().await;
                self.shop.gateways[0].start_armed(&format!("{step}:{hit}"));
                self.shop.gateways[0].process.crashed().await;
                self.start_gateway(0).await;
            }
            Strike::WorkerStep(step, hit) => {
                self.shop.workers[0].process.kill().await;
                self.shop.workers[0].start_armed(&format!("{step}:{hit}"));
                self.shop.workers[0].process.crashed().await;
                self.start_worker(0).await;
            }
            Strike::FillMysql { restart } => self.fill_mysql(sale, restart).await,
            Strike::FillBroker => self.fill_broker(sale, rush).await,
            Strike::Line(between, line, away) => self.hold_line(between, line, away).await,
        }
    }

    async fn start_gateway(&mut self, number: usize) {
        self.shop.gateways[number].start();
        self.shop.gateways[number].ready().await;
    }

    async fn start_worker(&mut self, number: usize) {
        self.shop.workers[number].start();
        self.shop.workers[number].ready().await;
    }

    async fn hold_line(&self, between: Between, line: Line, away: Duration) {
        let proxies = self.shop.line(between);
        proxies.iter().for_each(|proxy| proxy.set(line));
        sleep(away).await;
        proxies.iter().for_each(|proxy| proxy.set(Line::Open));
    }
}

/// How long somebody is away is what is tried here.
async fn freeze(process: &Process, away: Duration) {
    process.freeze();
    sleep(away).await;
    process.thaw();
}

impl Strike {
    /// What is done, without for how long.
    pub fn name(&self) -> String {
        match self {
            Self::Kill(part, _) => format!("kill {part}"),
            Self::Freeze(part, _) => format!("freeze {part}"),
            Self::KillGateway(_) => "kill gateway".to_owned(),
            Self::FreezeGateway(..) => "freeze gateway".to_owned(),
            Self::KillWorker(_) => "kill worker".to_owned(),
            Self::FreezeWorker(..) => "freeze worker".to_owned(),
            Self::GatewayStep(step, _) | Self::WorkerStep(step, _) => (*step).to_owned(),
            Self::FillMysql { restart: true } => {
                "fill the disk of mysql, make room and start it again".to_owned()
            }
            Self::FillMysql { restart: false } => "fill the disk of mysql and make room".to_owned(),
            Self::FillBroker => "fill the disk of broker and make room".to_owned(),
            Self::Line(between, line, _) => {
                let line = match line {
                    Line::Open => "open",
                    Line::Slow(_) => "slow",
                    Line::Mute => "mute",
                    Line::Silent => "silent",
                    Line::Cut => "cut",
                };
                format!("line of {between} {line}")
            }
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        match self {
            Self::Kill(_, away)
            | Self::Freeze(_, away)
            | Self::FreezeGateway(_, away)
            | Self::FreezeWorker(_, away)
            | Self::Line(_, _, away) => write!(f, " for {:.1} s", away.as_secs_f64()),
            Self::GatewayStep(_, hit) | Self::WorkerStep(_, hit) => write!(f, " at its {hit}. time"),
            Self::KillGateway(number) | Self::KillWorker(number) => write!(f, " {number}"),
            Self::FillMysql { .. } | Self::FillBroker => Ok(()),
        }
    }
}
