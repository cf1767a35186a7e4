//! The ledger when its Redis is down, stalls, loses its data or restarts. Each test has its own server.
#![expect(clippy::unwrap_used, reason = "a test without its server must stop")]

#[path = "server/mod.rs"]
mod server;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use flashgate_domain::id::ShardCount;
use flashgate_ledger::{
    Deduction, Fate, IntentResult, LedgerError, LedgerEvent, Prepared, Settled,
    contract::{
        Fact, Subject,
        scene::{Scene, all_confirmed, crowd, open_window},
    },
};
use futures::StreamExt;
use server::{Server, command, config, ledger};
use tokio::time::{Instant, timeout};

fn scene(server: &Server) -> Scene {
    let mut config = config(&server.url());
    config.response_timeout_ms = NonZeroU32::new(300).unwrap();
    Scene::new(Subject { ledger: Arc::new(ledger(&config)), shards: ShardCount::ONE })
}

#[tokio::test]
async fn a_flushed_ledger_misses_its_sales_and_heals_from_outcomes() -> Fact {
    let server = Server::start(&[]);
    let scene = scene(&server);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    command::<()>(&mut server.connect(), "FLUSHALL");

    assert_eq!(scene.screen(&crowd(sale, 1)?).await?, [IntentResult::Missing]);
    assert_eq!(scene.ledger().settle(&all_confirmed(&batch)).await?, Settled::AppliedLate(vec![]));
    assert_eq!(scene.ledger().check_back(batch.id()).await?, Fate::Deducted);
    assert_eq!(scene.ledger().snapshot(sale).await?, None, "the settlement has not created it");

    // If the sale is prepared again against the rules, this process has already seen more progress.
    let again = scene.sale(sale, 10, 5, open_window()?)?;
    assert_eq!(scene.ledger().prepare(&again).await?, Prepared::Created);
    assert_eq!(scene.screen(&crowd(sale, 1)?).await?, [IntentResult::Paused]);
    Ok(())
}

#[tokio::test]
async fn a_server_that_died_is_unreachable_and_works_at_once_when_it_is_back() -> Fact {
    let mut server = Server::start(&[]);
    let scene = scene(&server);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    server.kill();
    let mut faults = Vec::new();
    for _call in 0..3 {
        faults.push(scene.ledger().check_back(batch.id()).await.unwrap_err());
    }
    let unreachable = |fault: &LedgerError| matches!(fault, LedgerError::Unreachable(_));
    assert!(faults.iter().skip(1).all(unreachable), "{faults:?}");

    server.restart();
    let back = Instant::now();
    while scene.ledger().check_back(batch.id()).await.is_err() {
        assert!(back.elapsed() < Duration::from_millis(150), "still not back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(scene.ledger().check_back(batch.id()).await?, Fate::Deducted);
    assert_eq!(scene.available(sale).await?, 7);
    Ok(())
}

#[tokio::test]
async fn a_stalled_server_leaves_doubt_within_the_timeout() -> Fact {
    let server = Server::start(&[]);
    let scene = scene(&server);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.batch(crowd(sale, 3)?)?;
    let stall = server.stall();
    let started = Instant::now();
    let fault = scene.ledger().deduct(&batch, &[]).await.unwrap_err();
    assert!(matches!(fault, LedgerError::NoAnswer(_)) && !fault.nothing_done(), "{fault}");
    assert!(started.elapsed() < Duration::from_millis(450), "{:?}", started.elapsed());

    drop(stall);
    // The stalled server may have applied it or not; both answers of the script are final and match the stock.
    let fate = scene.ledger().check_back(batch.id()).await?;
    let left = scene.available(sale).await?;
    assert!(matches!((fate, left), (Fate::Deducted, 7) | (Fate::Fenced, 10)), "{fate:?} {left}");
    Ok(())
}

#[tokio::test]
async fn a_lost_connection_is_replaced_within_the_call() -> Fact {
    let server = Server::start(&[]);
    let scene = scene(&server);
    let sale = scene.on_sale(1_000, 1).await?;
    for _cut in 0..50 {
        command::<()>(&mut server.connect(), "CLIENT KILL TYPE normal");
        assert_eq!(scene.available(sale).await?, 1_000);
    }
    Ok(())
}

#[tokio::test]
async fn a_deduction_on_a_connection_that_was_cut_is_in_doubt_and_its_fate_can_be_had() -> Fact {
    let server = Server::start(&[]);
    let scene = scene(&server);
    let sale = scene.on_sale(1_000, 1).await?;
    let mut deducted = 0;
    for intent in crowd(sale, 50)?.chunks(1) {
        let batch = scene.batch(intent.to_vec())?;
        command::<()>(&mut server.connect(), "CLIENT KILL TYPE normal");
        match scene.ledger().deduct(&batch, &[]).await {
            Ok(Deduction::Applied { .. }) => deducted += 1,
            Err(LedgerError::NoAnswer(_)) => match scene.ledger().check_back(batch.id()).await? {
                Fate::Deducted => deducted += 1,
                Fate::Fenced => assert_eq!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Fenced),
            },
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(scene.available(sale).await?, 1_000 - deducted);
    Ok(())
}

#[tokio::test]
async fn a_server_out_of_memory_refuses_and_has_changed_nothing() -> Fact {
    let server = Server::start(&[]);
    let scene = scene(&server);
    let sale = scene.on_sale(10, 5).await?;
    let before = scene.snapshot(sale).await?;
    let batch = scene.batch(crowd(sale, 3)?)?;
    command::<()>(&mut server.connect(), "CONFIG SET maxmemory 1mb");
    let fault = scene.ledger().deduct(&batch, &[]).await.unwrap_err();
    assert!(matches!(fault, LedgerError::Refused(_)), "{fault}");
    assert_eq!(scene.snapshot(sale).await?, before);
    command::<()>(&mut server.connect(), "CONFIG SET maxmemory 0");
    assert!(matches!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Applied { .. }));
    Ok(())
}

#[tokio::test]
async fn a_read_only_replica_refuses() -> Fact {
    let server = Server::start(&[]);
    let scene = scene(&server);
    let sale = scene.on_sale(10, 5).await?;
    command::<()>(&mut server.connect(), "REPLICAOF 127.0.0.1 1");
    command::<()>(&mut server.connect(), "CONFIG SET replica-serve-stale-data yes");
    let fault = scene.ledger().deduct(&scene.batch(crowd(sale, 3)?)?, &[]).await.unwrap_err();
    assert!(matches!(fault, LedgerError::Refused(_)), "{fault}");
    Ok(())
}

#[tokio::test]
async fn events_resume_after_a_restart_of_the_server() -> Fact {
    let mut server = Server::start(&[]);
    let scene = scene(&server);
    let sale = scene.on_sale(100, 5).await?;
    let mut events = scene.ledger().events().await?;
    server.kill();
    server.restart();
    assert_eq!(scene.available(sale).await?, 100, "the call reconnects");
    // Events are lost until the stream has reconnected, which is allowed; so one is published until it arrives.
    let mut batches = crowd(sale, 100)?.into_iter();
    let received = timeout(Duration::from_secs(10), async {
        loop {
            let batch = scene.deduct(batches.by_ref().take(1).collect()).await.unwrap();
            scene.ledger().settle(&all_confirmed(&batch)).await.unwrap();
            if let Ok(event) = timeout(Duration::from_millis(150), events.next()).await {
                return event;
            }
        }
    });
    assert!(matches!(received.await?, Some(LedgerEvent::Settled(_))));
    Ok(())
}
