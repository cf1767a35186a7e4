//! A request that reaches its deadline ends the connection, with all other requests on it.

use std::{process::ExitCode, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpListener, time::sleep};

use crate::fixture::{Fallible, outcome, peer, peer::Transport};

pub(crate) async fn run() -> Fallible<ExitCode> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let transport = Transport::start(listener.local_addr()?).await?;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        // The first request is not answered, the second one after 2 s.
        peer::read_request(&mut stream).await?;
        let answer = peer::read_request(&mut stream).await?;
        sleep(Duration::from_secs(2)).await;
        stream.write_all(&answer).await?;
        // Until the client closes.
        let _end = peer::read_request(&mut stream).await;
        Fallible::Ok(())
    });
    let second = async {
        sleep(Duration::from_millis(200)).await;
        transport.request(Duration::from_secs(10)).await
    };
    let ((_, first), (is_answered, second)) = tokio::join!(transport.request(Duration::from_secs(1)), second);
    println!("the first request, with a deadline of 1 s: {first}");
    println!("the second one, with a deadline of 10 s: {second}");
    let promised = "a request that reaches its deadline leaves the others on its connection alone";
    Ok(outcome::outcome(promised, &format!("the second request: {second}"), !is_answered))
}
