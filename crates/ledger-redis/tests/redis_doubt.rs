//! Calls whose effect is unknown: what they return, and what is never retried.
#![expect(clippy::unwrap_used, reason = "a test may fail at any line")]

#[path = "server/mod.rs"]
mod server;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use flashgate_domain::{CancelReason, SaleId};
use flashgate_ledger::{
    LedgerError,
    contract::{
        Fact, Subject,
        scene::{Scene, all_cancelled, crowd, intent},
    },
};
use server::{Server, command, config, ledger};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A Redis that closes the connection at every script, and counts them.
async fn hangs_up_on_scripts() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, scripts) =
        (format!("redis://{}/", listener.local_addr().unwrap()), Arc::<AtomicUsize>::default());
    let seen = Arc::clone(&scripts);
    tokio::spawn(async move {
        while let Ok((stream, _peer)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&seen)));
        }
    });
    (url, scripts)
}

async fn serve(stream: TcpStream, scripts: Arc<AtomicUsize>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    while let Some(command) = next_command(&mut read).await {
        if command.starts_with("EVAL") {
            scripts.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if write.write_all(b"+OK\r\n").await.is_err() {
            return;
        }
    }
}

/// The first word of the next command: an array of strings, each after its length.
async fn next_command(read: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let words = length(read, '*').await?;
    let mut first = None;
    for _word in 0..words {
        let mut word = vec![0; length(read, '$').await? + 2];
        read.read_exact(&mut word).await.ok()?;
        first.get_or_insert_with(|| String::from_utf8_lossy(&word).into_owned());
    }
    first
}

async fn length(read: &mut (impl AsyncBufReadExt + Unpin), mark: char) -> Option<usize> {
    let mut line = String::new();
    read.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(mark)?.parse().ok()
}

#[tokio::test]
async fn a_deduction_whose_connection_broke_is_in_doubt_and_never_sent_again() -> Fact {
    let (url, scripts) = hangs_up_on_scripts().await;
    let config = config(&url);
    let scene = Scene::new(Subject { ledger: Arc::new(ledger(&config)), shards: config.shards });
    let refused = scene.deduct(crowd(SaleId::new(1)?, 2)?).await.unwrap_err();
    let fault = refused.downcast::<LedgerError>()?;
    assert!(matches!(*fault, LedgerError::NoAnswer(_)), "{fault}");
    assert_eq!(
        scripts.load(Ordering::Relaxed),
        1,
        "a refusal of the second copy would say nothing of the first"
    );

    let batch = scene.batch(crowd(SaleId::new(1)?, 2)?)?;
    let fault = scene.ledger().check_back(batch.id()).await.unwrap_err();
    assert!(matches!(fault, LedgerError::NoAnswer(_)), "{fault}");
    assert_eq!(scripts.load(Ordering::Relaxed), 3, "a question may be asked twice");
    Ok(())
}

#[tokio::test]
async fn a_script_that_failed_after_it_had_written_is_in_doubt() -> Fact {
    let server = Server::start(&[]);
    let config = config(&server.url());
    let scene = Scene::new(Subject { ledger: Arc::new(ledger(&config)), shards: config.shards });
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    scene.deduct(vec![intent(sale, "another", "k", 1)?]).await?;
    // One of its last writes uses this key, which now has an invalid value.
    let open_orders = format!("{}:{{s0}}:open_orders", config.prefix.as_str());
    command::<()>(&mut server.connect(), &format!("SET {open_orders} spoilt"));
    let before = scene.snapshot(sale).await?.sequence;

    let fault = scene.ledger().settle(&all_cancelled(&batch, CancelReason::Timeout)).await.unwrap_err();
    assert!(!fault.nothing_done(), "{fault}");
    command::<()>(&mut server.connect(), &format!("DEL {open_orders}"));
    assert!(scene.snapshot(sale).await?.sequence > before, "it had written");
    Ok(())
}
