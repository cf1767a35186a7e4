//! After five failed connections, `TransportClient` does not try an address for 30 s. Takes up to 60 s.
//!
//! No setting of `TransportClientConfig` changes the five or the 30 s.

use std::{process::ExitCode, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    time::{Instant, sleep},
};

use crate::fixture::{Fallible, outcome, peer, peer::Transport};

const DEADLINE: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(60);

pub(crate) async fn run() -> Fallible<ExitCode> {
    // An address that refuses connections.
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let transport = Transport::start(address).await?;
    for number in 1..=5 {
        println!("request {number} to a peer that is down: {}", transport.request(DEADLINE).await.1);
    }
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(serve(listener));
    let (start, mut refused, mut last) = (Instant::now(), 0, String::new());
    loop {
        let (is_answered, outcome) = transport.request(DEADLINE).await;
        if is_answered || start.elapsed() > WAIT_MAX {
            break;
        }
        if refused == 0 || outcome != last {
            println!("{:.1} s after the peer's return: {outcome}", start.elapsed().as_secs_f64());
        }
        last = outcome;
        refused += 1;
        sleep(Duration::from_millis(100)).await;
    }
    let delay = start.elapsed();
    let seen = format!("the first one {:.1} s after it, and {refused} refused before", delay.as_secs_f64());
    let promised = "requests are answered within 5 s of the peer's return";
    Ok(outcome::outcome(promised, &seen, delay > DELAY_MAX))
}

async fn serve(listener: TcpListener) -> Fallible<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        while let Ok(answer) = peer::read_request(&mut stream).await {
            stream.write_all(&answer).await?;
        }
    }
}
