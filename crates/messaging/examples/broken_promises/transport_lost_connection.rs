//! A request on a connection that the peer closes waits for its whole deadline.
//!
//! The end of a connection does not end the requests that are waiting on it.

use std::{process::ExitCode, time::Duration};

use tokio::{net::TcpListener, time::Instant};

use crate::fixture::{Fallible, outcome, peer, peer::Transport};

const DEADLINE: Duration = Duration::from_secs(8);

pub(crate) async fn run() -> Fallible<ExitCode> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let transport = Transport::start(listener.local_addr()?).await?;
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        peer::read_request(&mut stream).await?;
        // Drops the connection.
        Fallible::Ok(Instant::now())
    });
    let (_, outcome) = transport.request(DEADLINE).await;
    let waited = peer.await??.elapsed();
    println!("the request, with a deadline of {} s: {outcome}", DEADLINE.as_secs());
    let seen = format!("{:.1} s after it", waited.as_secs_f64());
    let promised = "requests fail within 1 s after their connection was closed";
    Ok(outcome::outcome(promised, &seen, waited > Duration::from_secs(1)))
}
