//! SIGKILL under load. The load runs in a process of its own: this test binary, started again with the path of the file
//! in an environment variable.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use flashgate_domain::{Batch, BatchId, BatchIds, Clock, Node, OrderId, SaleId, SystemClock};
use flashgate_ledger::{
    Deduction, Fate, Observing, Selling, Settled,
    contract::{
        Fact,
        scene::{NO_LIMIT, all_confirmed, intent},
    },
};
use flashgate_ledger_sqlite::SqliteLedger;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{Place, open, scene};

const PATH: &str = "FLASHGATE_LEDGER_UNDER_LOAD";
const NODE: &str = "FLASHGATE_LEDGER_NODE";
/// The number of concurrent batches.
const LANES: usize = 8;
const INTENTS: usize = 16;
const STOCK: u64 = 1_000_000_000;

fn sale() -> SaleId {
    SaleId::new(1).unwrap()
}

/// Deducts batch after batch on every lane and settles every other one; prints each acknowledgement.
async fn load(ledger: Arc<SqliteLedger>, node: Node, batches_max: usize) -> Fact {
    let shard = sale().shard(flashgate_domain::id::ShardCount::ONE);
    let mut lanes = Vec::new();
    for lane in 0..LANES {
        let ledger = Arc::clone(&ledger);
        lanes.push(tokio::spawn(async move {
            // Each lane acts as a separate gateway.
            let node = Node::of_start(u64::from(node.get()) * 8 + u64::try_from(lane)?);
            let mut ids = BatchIds::new(shard, node, u64::try_from(lane)?);
            for number in 0..batches_max {
                let id = ids.next(SystemClock.now());
                let buyer = |place: usize| intent(sale(), &format!("{id}-{place}"), "k", 1);
                let batch = Batch::new(id, (0..INTENTS).map(buyer).collect::<Result<_, _>>()?);
                let batch = batch.ok_or("a batch")?;
                let deduction = ledger.deduct(&batch, &[]).await?;
                assert!(matches!(deduction, Deduction::Applied { .. }), "{deduction:?}");
                tell("deducted", id)?;
                if number % 2 == 1 {
                    let settled = ledger.settle(&all_confirmed(&batch)).await?;
                    assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
                    tell("settled", id)?;
                }
            }
            Fact::Ok(())
        }));
    }
    for lane in lanes {
        lane.await??;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "printed past the harness, line by line, until it is killed")]
fn tell(what: &str, id: BatchId) -> Fact {
    if env::var_os(PATH).is_none() {
        return Ok(());
    }
    // One write per line, past the harness, so that a kill cuts no line but the last.
    std::io::stdout().lock().write_all(format!("ack {what} {id}\n").as_bytes())?;
    Ok(())
}

/// The child's part; run alone, a load that is not killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_runs_on_the_file_until_it_is_killed() -> Fact {
    let Ok(path) = env::var(PATH) else {
        let place = Place::new();
        let ledger = place.ledger();
        scene(&ledger).sell(sale(), STOCK, NO_LIMIT).await?;
        load(Arc::clone(&ledger), Node::of_start(0), 10).await?;
        let snapshot = ledger.snapshot(sale()).await?.ok_or("the sale")?;
        assert_eq!(snapshot.totals.deducted, u64::try_from(LANES * 10 * INTENTS)?);
        return Ok(());
    };
    let ledger = Arc::new(open(&PathBuf::from(path), flashgate_domain::id::ShardCount::ONE)?);
    load(ledger, Node::of_start(env::var(NODE)?.parse()?), usize::MAX).await
}

/// Runs the load, kills it after that many acknowledgements, and returns all of them.
fn killed_after(path: &Path, node: u64, acknowledgements: usize) -> Vec<(String, BatchId)> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "killed::a_load_runs_on_the_file_until_it_is_killed", "--nocapture"])
        .envs([(PATH, path.as_os_str()), (NODE, node.to_string().as_ref())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut received = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness may have begun the line.
        let Some((_before, ack)) = line.split_once("ack ") else { continue };
        let Some((what, id)) = ack.split_once(' ') else { continue };
        let Ok(id) = id.parse() else { continue };
        received.push((what.to_owned(), id));
        if received.len() == acknowledgements {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success(), "it ended by itself");
    received
}

fn seed() -> u64 {
    match env::var("FLASHGATE_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_unset) => SystemClock.now().as_millis(),
    }
}

#[tokio::test]
async fn a_killed_process_has_lost_nothing_that_it_acknowledged() -> Fact {
    let place = Place::new();
    let ledger = place.ledger();
    scene(&ledger).sell(sale(), STOCK, NO_LIMIT).await?;
    ledger.shutdown().await?;
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut acknowledged = Vec::new();
    for kill in 0..5 {
        let count = random.random_range(1..400);
        let (path, context) =
            (place.path.clone(), format!("FLASHGATE_SEED={seed}, kill {kill} after {count}"));
        let received = tokio::task::spawn_blocking(move || killed_after(&path, kill, count)).await?;
        assert!(received.len() >= count, "{context}: {} received", received.len());
        acknowledged.extend(received);

        let ledger = place.ledger();
        let snapshot = ledger.snapshot(sale()).await?.ok_or("the sale")?;
        let open: Vec<BatchId> = snapshot.open.iter().map(|open| open.id).collect();
        assert_eq!(snapshot.totals.deducted, snapshot.keys, "{context}: units and keys");
        let deducted = acknowledged.iter().filter(|(what, _id)| what == "deducted").count();
        assert!(snapshot.keys >= u64::try_from(deducted * INTENTS)?, "{context}");
        for (what, id) in &acknowledged {
            let last: OrderId = id.order(INTENTS - 1).ok_or("a place")?;
            let order = ledger.order(last).await?.ok_or_else(|| format!("{context}: {what} {id} is lost"))?;
            let state = order.state.as_str();
            assert!(what == "deducted" || state == "confirmed", "{context}: {id} was settled and is {state}");
            assert_eq!(open.contains(id), state == "pending", "{context}: {id}");
        }
        if let Some((_what, id)) = acknowledged.last() {
            assert_eq!(ledger.check_back(*id).await?, Fate::Deducted, "{context}");
        }
        ledger.shutdown().await?;
    }
    Ok(())
}
