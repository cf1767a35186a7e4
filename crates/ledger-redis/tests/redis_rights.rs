//! What a server must allow: rights, memory and writes. Each test has its own server.
#![expect(clippy::unwrap_used, reason = "a test may fail at any line")]

#[path = "server/mod.rs"]
mod server;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use flashgate_domain::{CancelReason, id::ShardCount};
use flashgate_ledger::{
    Deduction, IntentResult, LedgerError, Settled,
    contract::{
        Fact, Subject,
        scene::{Scene, all_cancelled, crowd, intent},
    },
};
use server::{Server, command, config, ledger};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time::sleep,
};

fn scene(url: &str) -> Scene {
    Scene::new(Subject { ledger: Arc::new(ledger(&config(url))), shards: ShardCount::ONE })
}

/// A user with all rights except these, and a URL to connect as that user.
fn user_without(server: &Server, rules: &str) -> String {
    let set = format!("ACL SETUSER limited on >secret ~* &* +@all {rules}");
    command::<()>(&mut server.connect(), &set);
    format!("redis://limited:secret@127.0.0.1:{}/", server.port)
}

#[tokio::test]
async fn without_the_channel_everything_but_the_events_works_and_it_is_reported() -> Fact {
    let server = Server::start(&[]);
    let scene = scene(&user_without(&server, "resetchannels"));
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(vec![intent(sale, "ada", "k", 5)?]).await?;
    for settled in ["applied", "already", "already"] {
        let settled_now = scene.ledger().settle(&all_cancelled(&batch, CancelReason::Timeout)).await?;
        assert_eq!(matches!(settled_now, Settled::Applied(_)), settled == "applied", "{settled_now:?}");
    }
    assert_eq!(scene.screen(&[intent(sale, "ada", "l", 5)?]).await?, [IntentResult::Pass]);
    scene.deduct(vec![intent(sale, "ada", "l", 5)?]).await?;
    assert_eq!(
        scene.screen(&[intent(sale, "ada", "m", 1)?]).await?,
        [IntentResult::OverLimit],
        "once is enough"
    );
    let fault = scene.ledger().ping().await.unwrap_err();
    assert!(fault.to_string().contains("channel"), "{fault}");
    Ok(())
}

#[tokio::test]
async fn each_right_that_is_missing_is_named_and_no_error_inside_a_script_is_taken_for_nothing_done() -> Fact
{
    let server = Server::start(&[]);
    let commands = ["hset", "hdel", "zrem", "incrby", "decrby", "pexpire", "unlink", "zadd", "hincrby"];
    for name in commands {
        command::<()>(&mut server.connect(), "FLUSHALL");
        let as_all = scene(&server.url());
        let sale = as_all.on_sale(10, 5).await?;
        let batch = as_all.deduct(crowd(sale, 2)?).await?;
        let limited = scene(&user_without(&server, &format!("-{name}")));
        let fault = limited.ledger().ping().await.unwrap_err();
        assert!(fault.to_string().contains(&name.to_uppercase()), "{name}: {fault}");
        if let Err(fault) = limited.ledger().settle(&all_cancelled(&batch, CancelReason::Timeout)).await {
            assert!(!fault.nothing_done(), "{name}: {fault}");
        }
        command::<()>(&mut server.connect(), "ACL DELUSER limited");
    }
    Ok(())
}

#[tokio::test]
async fn an_evicting_policy_is_reported_whenever_it_is_set() -> Fact {
    let server = Server::start(&[]);
    let scene = scene(&server.url());
    scene.ledger().ping().await?;
    for policy in ["allkeys-lru", "volatile-ttl", "allkeys-random"] {
        command::<()>(&mut server.connect(), &format!("CONFIG SET maxmemory-policy {policy}"));
        let fault = scene.ledger().ping().await.unwrap_err();
        assert!(fault.to_string().contains(policy), "{fault}");
    }
    command::<()>(&mut server.connect(), "CONFIG SET maxmemory-policy noeviction");
    Ok(scene.ledger().ping().await?)
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_well() -> Fact {
    let server = Server::start(&["--min-replicas-to-write", "0"]);
    let scene = scene(&server.url());
    let sale = scene.on_sale(10, 5).await?;
    for (breaks, repairs) in [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
        ("CONFIG SET maxmemory 1mb", "CONFIG SET maxmemory 0"),
    ] {
        command::<()>(&mut server.connect(), breaks);
        let fault = scene.ledger().ping().await.unwrap_err();
        assert!(fault.nothing_done(), "{breaks}: {fault}");
        command::<()>(&mut server.connect(), repairs);
        // A short time in which a new connection is not opened for every call.
        sleep(Duration::from_millis(60)).await;
        scene.ledger().ping().await?;
        assert_eq!(scene.screen(&crowd(sale, 1)?).await?, [IntentResult::Pass]);
    }
    Ok(())
}

/// An address that leads to the server of that port; open connections stay where they are.
async fn leading(to: Arc<AtomicU16>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _peer)) = listener.accept().await {
            let port = to.load(Ordering::Relaxed);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    url
}

#[tokio::test]
async fn after_a_switch_over_the_same_call_goes_to_the_new_primary() -> Fact {
    let (old, new) = (Server::start(&[]), Server::start(&[]));
    let port = Arc::new(AtomicU16::new(old.port));
    let scene = scene(&leading(Arc::clone(&port)).await);
    let sale = scene.on_sale(10, 5).await?;
    let open = scene.deduct(crowd(sale, 1)?).await?;
    command::<()>(&mut new.connect(), &format!("REPLICAOF 127.0.0.1 {}", old.port));
    let in_step =
        || command::<String>(&mut new.connect(), "INFO replication").contains("master_link_status:up");
    while !in_step() {
        sleep(Duration::from_millis(20)).await;
    }
    let mut events = scene.ledger().events().await?;
    command::<()>(&mut new.connect(), "REPLICAOF NO ONE");
    command::<()>(&mut old.connect(), &format!("REPLICAOF 127.0.0.1 {}", new.port));
    port.store(new.port, Ordering::Relaxed);

    let batch = scene.batch(crowd(sale, 3)?.split_off(1))?;
    let deduction = scene.ledger().deduct(&batch, &[]).await?;
    assert!(matches!(deduction, Deduction::Applied { .. }), "{deduction:?}");
    scene.ledger().ping().await?;
    assert_eq!(scene.available(sale).await?, 7);
    // The event connection follows, at the latest after some silence.
    let received = async {
        loop {
            scene.ledger().settle(&all_cancelled(&open, CancelReason::Timeout)).await?;
            let more = scene.deduct(vec![intent(sale, &unique_buyer(), "k", 1)?]).await?;
            scene.ledger().settle(&all_cancelled(&more, CancelReason::Timeout)).await?;
            if tokio::time::timeout(Duration::from_millis(200), futures::StreamExt::next(&mut events))
                .await
                .is_ok()
            {
                return Fact::Ok(());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), received).await?
}

fn unique_buyer() -> String {
    server::unique()
}

#[tokio::test]
async fn a_server_that_stays_the_wrong_one_gets_no_new_connection_per_call() -> Fact {
    let server = Server::start(&[]);
    let scene = scene(&server.url());
    let sale = scene.on_sale(10, 5).await?;
    command::<()>(&mut server.connect(), "REPLICAOF 127.0.0.1 1");
    let connections = || {
        let info: String = command(&mut server.connect(), "INFO stats");
        let line =
            info.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap().trim();
        line.parse::<u64>().unwrap()
    };
    let before = connections();
    for buyer in 0..200 {
        let batch = scene.batch(vec![intent(sale, &format!("buyer-{buyer}"), "k", 1)?])?;
        let fault = scene.ledger().deduct(&batch, &[]).await.unwrap_err();
        assert!(matches!(fault, LedgerError::Refused(_) | LedgerError::Unreachable(_)), "{fault}");
    }
    let made = connections() - before;
    assert!(made < 100, "{made} connections for 200 calls");
    Ok(())
}
