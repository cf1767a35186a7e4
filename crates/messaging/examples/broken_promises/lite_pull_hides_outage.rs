//! `DefaultLitePullConsumer` does not report that its broker is unreachable, and finds it again late. Takes up to 90 s.
//!
//! `poll` takes from a queue in memory, which failed pulls do not reach. The delay is that of `transport_breaker`.

use std::{process::ExitCode, time::Duration};

use tokio::{sync::watch, time::Instant};

use crate::fixture::{Fallible, lite_pull, outcome, proxy, stage::Stage};

const POLL_MS: u64 = 1_000;
const OUTAGE: Duration = Duration::from_secs(10);
/// How late the first message after an outage may come: our client tries again every 0.5 s.
const DELAY_MAX: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(60);

pub(crate) async fn run() -> Fallible<ExitCode> {
    let stage = Stage::start().await?;
    let (is_reachable, reachable) = watch::channel(true);
    let broker = std::env::var("FLASHGATE_BROKER")?;
    let name_server = proxy::start(stage.name_server.clone(), broker, "", reachable).await?;
    lite_pull::publish(&stage, 1).await?;
    let (consumer, queue) = lite_pull::consumer(&stage, "consumer", &name_server).await?;
    consumer.assign(vec![queue]).await?;
    let first = consumer.poll_with_timeout(10_000).await;
    println!("before the outage: {} message", first.len());

    is_reachable.send_replace(false);
    lite_pull::publish(&stage, 1).await?;
    let (start, mut empty) = (Instant::now(), 0);
    while start.elapsed() < OUTAGE {
        // If this does not compile any more because `poll` has errors, the first half of the promise is kept.
        let messages: Vec<_> = consumer.poll_with_timeout(POLL_MS).await;
        empty += usize::from(messages.is_empty());
    }
    println!(
        "during an outage of {} s: {empty} polls, each empty like that of an idle topic",
        OUTAGE.as_secs()
    );

    is_reachable.send_replace(true);
    let start = Instant::now();
    let mut after = Vec::new();
    while after.is_empty() && start.elapsed() < WAIT_MAX {
        after = consumer.poll_with_timeout(POLL_MS).await;
    }
    let delay = start.elapsed();
    let seen = format!(
        "{empty} empty polls and no error; {} message after {:.1} s",
        after.len(),
        delay.as_secs_f64()
    );
    consumer.shutdown().await;
    let promised = "`poll` reports the outage, and messages arrive within 5 s of its end";
    Ok(outcome::outcome(promised, &seen, empty > 0 || delay > DELAY_MAX))
}
