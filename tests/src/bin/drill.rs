//! `flashgate-drill`: drills on real servers, for as long as one likes. `scripts/drill` builds and runs it.

use std::{fmt::Display, future::pending, panic::AssertUnwindSafe, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use flashgate_output::{fail, note, parse, print_line};
use flashgate_tests::{
    Seed,
    drill::{DISK_STRIKES_MAX, Field, Kind, Silence, Tally, fail_over, live},
    own_stack::{OwnStack, Part},
};
use futures::FutureExt;
use rand::rngs::StdRng;
use tokio::signal::{
    ctrl_c,
    unix::{SignalKind, signal},
};

/// Between two kills of `life`.
const KILL_PAUSE: Duration = Duration::from_secs(5);

/// Waits for SIGINT or SIGTERM: what was started is stopped then. The exit code is that of a shell.
async fn told_to_leave() -> ExitCode {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_cannot_be_had) => pending().await,
        }
    };
    tokio::select! {
        _interrupted = ctrl_c() => ExitCode::from(130),
        _terminated = terminated => ExitCode::from(143),
    }
}

/// Strikes a deployment again and again while buyers buy, and checks the stores.
#[derive(Debug, Parser)]
struct Arguments {
    /// What is struck.
    name: Drill,
    /// How often.
    #[arg(long, default_value_t = 10)]
    times: usize,
    /// How many orders `life` lets live.
    #[arg(long, default_value_t = 10_000)]
    orders: usize,
    /// How many rounds of every blow `silence` makes.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Repeats a drill, as far as chance goes: processes keep their own time.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Drill {
    /// Redis, killed and frozen in turn.
    Redis,
    /// MySQL, killed and frozen in turn.
    Mysql,
    /// The name server, killed and frozen in turn.
    NameServer,
    /// The broker, killed and frozen in turn.
    Broker,
    /// All four servers, killed and frozen in turn.
    Servers,
    /// All four servers, killed only.
    ServerKills,
    /// Gateways, killed and frozen in turn.
    Gateways,
    /// Order workers, killed and frozen in turn.
    Workers,
    /// Gateways and workers, killed at every named step in turn.
    Steps,
    /// Connections cut, half-open and slow.
    Lines,
    /// The broker away for longer than 15 checks of a half-message.
    BrokerAway,
    /// Redis fails over to a replica that is behind.
    Failover,
    /// The disks of MySQL and of the broker become full.
    Disks,
    /// Connections frozen for good between each pair of processes, and switch-overs of Redis and MySQL.
    Silence,
    /// Orders that are paid, time out, are cancelled, shipped and refunded, while gateways and workers are killed.
    Life,
    /// Anything at random but the last five.
    Storm,
}

impl Drill {
    const fn kind(self) -> Option<Kind> {
        Some(match self {
            Self::Redis => Kind::Server(Part::Redis),
            Self::Mysql => Kind::Server(Part::Mysql),
            Self::NameServer => Kind::Server(Part::NameServer),
            Self::Broker => Kind::Server(Part::Broker),
            Self::Servers => Kind::Servers,
            Self::ServerKills => Kind::ServerKills,
            Self::Gateways => Kind::Gateways,
            Self::Workers => Kind::Workers,
            Self::Steps => Kind::Steps,
            Self::Lines => Kind::Lines,
            Self::BrokerAway => Kind::BrokerAway,
            Self::Failover | Self::Disks | Self::Silence | Self::Life => return None,
            Self::Storm => Kind::Storm,
        })
    }
}

/// A line that could not be printed goes to standard error: the servers are struck already, and the drill ends.
fn tell(text: impl Display) {
    if let Err(error) = print_line(&text) {
        note(format_args!("{text} ({error})"));
    }
}

async fn drill(arguments: Arguments, mut random: StdRng) {
    let tally = match (arguments.name, arguments.name.kind()) {
        (Drill::Silence, _) => return silence(arguments.rounds, &mut random).await,
        (Drill::Life, _) => return lives(arguments.times, arguments.orders, &mut random).await,
        (Drill::Disks, _) => disks(arguments.times, &mut random).await,
        (_, Some(kind)) => {
            let mut field = Field::new().await;
            let tally = field.drill(kind, arguments.times, &mut random, tell).await;
            field.stop().await;
            tally
        }
        (_, None) => return failovers(arguments.times, &mut random).await,
    };
    tell(format_args!("{:?}: {tally}\n0 oversold, 0 lost, 0 doubled, 0 stranded", arguments.name));
}

/// On servers of their own for every few strikes, since a broker keeps its messages.
async fn disks(times: usize, random: &mut StdRng) -> Tally {
    if let Some(missing) = OwnStack::cannot_fill().await {
        panic!("the drill cannot run here: {missing}");
    }
    let mut tally = Tally::default();
    let mut done = 0;
    while done < times {
        let strikes = DISK_STRIKES_MAX.min(times - done);
        tell(format_args!("strikes {} to {} of {times}", done + 1, done + strikes));
        let mut field = Field::on_small_disks().await;
        tally.join(&field.drill(Kind::Disks, strikes, random, tell).await);
        field.stop().await;
        done += strikes;
    }
    tally
}

async fn failovers(times: usize, random: &mut StdRng) {
    let servers = OwnStack::durable().await;
    for number in 1..=times {
        tell(format_args!("[{number}/{times}] {}", fail_over(servers.stack(), random).await));
    }
    tell(format_args!(
        "{times} failovers: 0 oversold, 0 lost, 0 doubled; every sale stopped until it is rebuilt"
    ));
}

async fn lives(times: usize, orders: usize, random: &mut StdRng) {
    let servers = OwnStack::durable().await;
    for number in 1..=times {
        let lives = live(servers.stack(), orders, Some(KILL_PAUSE), random).await;
        tell(format_args!("[{number}/{times}] {lives}"));
    }
    tell("each unit returned once, each payment fulfilled or refunded");
}

async fn silence(rounds: usize, random: &mut StdRng) {
    let mut silence = Silence::new().await;
    let silences = silence.drill(rounds, random, tell).await;
    silence.stop().await;
    tell(format_args!("{silences}\n0 oversold, 0 lost, 0 doubled, 0 stranded"));
    assert_eq!(silences.failures(), 0, "not everything worked again in time without a restart");
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Arguments = match parse("flashgate-drill") {
        Ok(arguments) => arguments,
        Err(exit_code) => return exit_code,
    };
    let seed = arguments.seed.map_or_else(Seed::of_this_run, Seed::new);
    let (count, what) = if matches!(arguments.name, Drill::Silence) {
        (arguments.rounds, "rounds")
    } else {
        (arguments.times, "times")
    };
    let begins = format!("{:?}, {count} {what}, --seed {}", arguments.name, seed.number());
    if let Err(error) = print_line(begins) {
        return fail("flashgate-drill", error, ExitCode::FAILURE);
    }
    // A law that is broken is a panic, which tells what it saw.
    let drilling = AssertUnwindSafe(drill(arguments, seed.generator())).catch_unwind();
    tokio::select! {
        ended = drilling => match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(_told) => {
                tell(format_args!("FAILED with --seed {}", seed.number()));
                ExitCode::FAILURE
            }
        },
        exit_code = told_to_leave() => exit_code,
    }
}
