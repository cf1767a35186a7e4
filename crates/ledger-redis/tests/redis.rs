//! The contract suite on a Redis server, and what only Redis can show without being stopped.
//! `FLASHGATE_REDIS_URL` names the server; every test keeps to a key prefix of its own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot have its server must stop")]

#[path = "server/mod.rs"]
mod server;

use std::sync::Arc;

use flashgate_domain::{CancelReason, audit::LedgerStep, id::ShardCount};
use flashgate_ledger::{
    Answer, Compensated, Fate, LedgerFault, LedgerState, Settled, Totals,
    contract::{
        Fact, Subject,
        scene::{Scene, all_cancelled, all_confirmed, crowd, intent},
    },
};
use flashgate_ledger_redis::RedisConfig;
use redis::Connection;
use server::{command, config, ledger};

fn url() -> String {
    std::env::var("FLASHGATE_REDIS_URL")
        .expect("FLASHGATE_REDIS_URL must name a Redis server for the tests, e.g. redis://127.0.0.1:6379/")
}

async fn fresh() -> Subject {
    let mut config = config(&url());
    config.shards = ShardCount::new(4).unwrap();
    Subject { ledger: Arc::new(ledger(&config)), shards: config.shards }
}

flashgate_ledger::ledger_contract!(fresh);

/// One shard, the scene on it, and a way to its keys behind the ledger's back.
struct Bench {
    config: RedisConfig,
    scene: Scene,
    connection: Connection,
}

impl Bench {
    fn new() -> Self {
        let config = config(&url());
        let scene = Scene::new(Subject { ledger: Arc::new(ledger(&config)), shards: config.shards });
        let connection = redis::Client::open(url()).unwrap().get_connection().unwrap();
        Self { config, scene, connection }
    }

    fn key(&self, rest: &str) -> String {
        format!("{}:{{s0}}:{rest}", self.config.prefix.as_str())
    }

    /// A plain command; `@` stands for what every key of the shard begins with.
    fn command<T: redis::FromRedisValue>(&mut self, words: &str) -> T {
        let words = words.replace('@', &self.key(""));
        command(&mut self.connection, &words)
    }

    fn log_key(&self, batch: &flashgate_domain::Batch) -> String {
        format!("@log:{:016x}", batch.id().base().get())
    }
}

#[tokio::test]
async fn a_sale_whose_sequence_went_back_is_paused() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 5).await?;
    bench.scene.deduct(crowd(sale, 2)?).await?;
    let seen = bench.scene.snapshot(sale).await?.sequence;
    bench.command::<()>(&format!("HSET @sale:{sale} sequence {} available 10 deducted 0", seen - 1));

    let other = intent(sale, "ada", "k", 1)?;
    assert_eq!(bench.scene.screen(std::slice::from_ref(&other)).await?, [Answer::Paused]);
    assert_eq!(bench.scene.snapshot(sale).await?.state, LedgerState::Paused);
    let newcomer =
        Scene::new(Subject { ledger: Arc::new(ledger(&bench.config)), shards: bench.config.shards });
    assert_eq!(newcomer.screen(&[other]).await?, [Answer::Paused], "for every process");
    Ok(())
}

#[tokio::test]
async fn a_rebuilt_sale_may_begin_with_a_smaller_sequence() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 5).await?;
    bench.scene.deduct(crowd(sale, 2)?).await?;
    bench.command::<()>(&format!("HSET @sale:{sale} sequence 1 generation 2"));
    assert_eq!(bench.scene.screen(&[intent(sale, "ada", "k", 1)?]).await?, [Answer::Pass]);
    bench.command::<()>(&format!("HSET @sale:{sale} sequence 99 generation 1"));
    let answers = bench.scene.screen(&[intent(sale, "ada", "k", 1)?]).await?;
    assert_eq!(answers, [Answer::Paused], "an older generation is behind, whatever its sequence");
    Ok(())
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_sent_again() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 5).await?;
    for _time in 0..3 {
        bench.command::<()>("SCRIPT FLUSH SYNC");
        assert_eq!(bench.scene.screen(&crowd(sale, 1)?).await?, [Answer::Pass]);
    }
    Ok(())
}

#[tokio::test]
async fn a_deleted_entry_of_an_open_batch_is_settled_without_a_second_deduction() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 5).await?;
    let batch = bench.scene.deduct(crowd(sale, 3)?).await?;
    let entry = bench.log_key(&batch);
    bench.command::<()>(&format!("DEL {entry}"));
    let settled = bench.scene.ledger().settle(&all_cancelled(&batch, CancelReason::Timeout)).await?;
    assert!(matches!(settled, Settled::AppliedLate(_)), "{settled:?}");
    let totals = Totals { initial: 10, deducted: 3, returned: 3, available: 10, ..Totals::default() };
    assert_eq!(bench.scene.snapshot(sale).await?.totals, totals);
    assert_eq!(bench.command::<i64>("GET @open_orders"), 0);
    assert_eq!(bench.command::<i64>(&format!("HGET @sale:{sale} pending_orders")), 0);
    Ok(())
}

#[tokio::test]
async fn a_deleted_entry_of_a_settled_batch_is_not_settled_twice() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 5).await?;
    let batch = bench.scene.deduct(crowd(sale, 3)?).await?;
    let outcome = all_cancelled(&batch, CancelReason::Timeout);
    bench.scene.ledger().settle(&outcome).await?;
    let before = bench.scene.snapshot(sale).await?.totals;
    let entry = bench.log_key(&batch);
    bench.command::<()>(&format!("DEL {entry}"));
    bench.scene.ledger().settle(&outcome).await?;
    assert_eq!(bench.scene.snapshot(sale).await?.totals, before);
    Ok(())
}

#[tokio::test]
async fn a_unit_taken_by_hand_is_put_back_by_the_step_that_saw_it_gone() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 5).await?;
    bench.scene.deduct(crowd(sale, 3)?).await?;
    let totals = bench.scene.snapshot(sale).await?.totals;
    bench.command::<()>(&format!("HINCRBY @sale:{sale} available -1"));
    let unseen = LedgerStep { generation: 1, adjustments: 0, in_ledger: 0, across: -1 };
    let moved = Compensated::Moved { generation: 1, adjustments: 0, in_ledger: -1 };
    assert_eq!(bench.scene.ledger().compensate(sale, &unseen).await?, moved);
    let seen = LedgerStep { in_ledger: -1, across: 0, ..unseen };
    let done = bench.scene.ledger().compensate(sale, &seen).await?;
    assert!(matches!(done, Compensated::Done { rest: 0, .. }), "{done:?}");
    let mended = bench.scene.snapshot(sale).await?;
    assert_eq!((mended.totals, mended.epoch), (totals, 1), "the totals knew better, and buyers are told");
    Ok(())
}

#[tokio::test]
async fn a_unit_put_there_by_hand_and_sold_meanwhile_is_taken_as_far_as_it_goes() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(5, 5).await?;
    bench.command::<()>(&format!("HINCRBY @sale:{sale} available 2"));
    let batch = bench.scene.deduct(crowd(sale, 6)?).await?;
    let step = LedgerStep { generation: 1, adjustments: 0, in_ledger: 2, across: 0 };
    let rest = |done: Compensated| match done {
        Compensated::Done { standing, rest } => Some((standing.available, rest)),
        Compensated::Moved { .. } | Compensated::Missing => None,
    };
    let first = bench.scene.ledger().compensate(sale, &step).await?;
    assert_eq!(rest(first), Some((0, 1)), "one is sold, and its order is not decided");
    bench.scene.ledger().settle(&all_cancelled(&batch, CancelReason::OutOfStock)).await?;
    let later = LedgerStep { adjustments: 1, in_ledger: 1, ..step };
    assert_eq!(rest(bench.scene.ledger().compensate(sale, &later).await?), Some((0, 0)));
    let totals = bench.scene.snapshot(sale).await?.totals;
    assert_eq!((totals.returned, totals.reclaimed), (1, 1), "it was written off, and makes up for it");
    Ok(())
}

#[tokio::test]
async fn evidence_is_kept_as_long_as_configured() -> Fact {
    let mut bench = Bench::new();
    let week_ms = 7 * 24 * 3_600_000_i64;
    let nearly = |ttl: i64| (week_ms - 60_000..=week_ms).contains(&ttl);
    let sale = bench.scene.on_sale(10, 5).await?;
    let open = bench.scene.deduct(crowd(sale, 1)?).await?;
    let entry = bench.log_key(&open);
    assert_eq!(bench.command::<i64>(&format!("PTTL {entry}")), -1, "an open batch stays");
    bench.scene.ledger().settle(&all_confirmed(&open)).await?;
    assert!(nearly(bench.command(&format!("PTTL {entry}"))));

    let fenced = bench.scene.batch(crowd(sale, 1)?)?;
    assert_eq!(bench.scene.ledger().check_back(fenced.id()).await?, Fate::Fenced);
    let fence = bench.log_key(&fenced);
    assert!(nearly(bench.command(&format!("PTTL {fence}"))));
    Ok(())
}

#[tokio::test]
async fn the_keys_of_a_closed_sale_go_only_when_nothing_is_open_and_all_at_once_in_the_background() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 5).await?;
    let batch = bench.scene.deduct(crowd(sale, 1)?).await?;
    bench.scene.ledger().close(sale).await?;
    let exist = format!("EXISTS @sale:{sale} @held:{sale} @keys:{sale}");
    assert_eq!(bench.command::<i64>("ZCARD @retired"), 0, "an order is open");
    bench.scene.ledger().settle(&all_confirmed(&batch)).await?;
    assert!(bench.command::<i64>(&format!("ZSCORE @retired {sale}")) > 0);
    for key in ["sale", "held", "keys"].map(|what| format!("PTTL @{what}:{sale}")) {
        assert_eq!(bench.command::<i64>(&key), -1, "{key}: a large one that expires would stop the server");
    }
    assert_eq!(bench.scene.ledger().sweep().await?, 0, "its retention is not over");
    assert_eq!(bench.command::<i64>(&exist), 3);
    bench.command::<()>(&format!("ZADD @retired 1 {sale}"));
    assert_eq!(bench.scene.ledger().sweep().await?, 1);
    assert_eq!((bench.command::<i64>(&exist), bench.command::<i64>("ZCARD @retired")), (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_sale_that_sells_again_is_not_swept() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 5).await?;
    bench.command::<()>(&format!("ZADD @retired 1 {sale}"));
    assert_eq!(bench.scene.ledger().sweep().await?, 0);
    assert_eq!(bench.command::<i64>("ZCARD @retired"), 0);
    assert_eq!(bench.scene.available(sale).await?, 10);
    Ok(())
}

/// What is done to the keys of a sale in which `ada` holds 2 and `bob` 1.
async fn loses(damage: &[&str]) -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 2).await?;
    bench.scene.deduct(vec![intent(sale, "ada", "k", 2)?, intent(sale, "bob", "k", 1)?]).await?;
    for command in damage {
        bench.command::<()>(&command.replace('#', &sale.to_string()));
    }
    let again = intent(sale, "ada", "other", 1)?;
    assert_eq!(bench.scene.screen(std::slice::from_ref(&again)).await?, [Answer::Paused], "{damage:?}");
    let snapshot = bench.scene.snapshot(sale).await?;
    let there = flashgate_ledger::Written { buyers: snapshot.buyers, keys: snapshot.keys };
    assert_ne!(snapshot.written, there, "{damage:?}");
    assert_eq!(snapshot.state, LedgerState::Paused, "{damage:?}");
    Ok(())
}

#[tokio::test]
async fn a_sale_of_which_a_part_is_lost_is_paused() -> Fact {
    loses(&["DEL @held:#"]).await?;
    loses(&["DEL @keys:#"]).await?;
    loses(&["HSET @held:# stranger 1"]).await
}

#[tokio::test]
async fn a_part_that_is_lost_is_found_when_orders_are_settled() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 2).await?;
    let batch = bench.scene.deduct(crowd(sale, 2)?).await?;
    bench.command::<()>(&format!("DEL @held:{sale}"));
    bench.scene.ledger().settle(&all_cancelled(&batch, CancelReason::Timeout)).await?;
    assert_eq!(bench.scene.snapshot(sale).await?.state, LedgerState::Paused);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_of_many_open_batches_is_taken_in_steps_and_is_whole() -> Fact {
    let mut bench = Bench::new();
    let (sale, other) = (bench.scene.on_sale(10_000, 1).await?, bench.scene.on_sale(10_000, 1).await?);
    let mut batches = Vec::new();
    for intent in crowd(sale, 1_300)?.chunks(1) {
        batches.push(bench.scene.deduct(intent.to_vec()).await?);
    }
    bench.scene.deduct(crowd(other, 1)?).await?;
    // All of one moment: a step must not go round in circles.
    for (at, batch) in batches.iter().enumerate() {
        if at < 1_200 {
            bench.command::<()>(&format!("ZADD @open 5 {}", batch.id()));
        }
        if at % 2 == 0 {
            let entry = bench.log_key(batch);
            bench.command::<()>(&format!("DEL {entry}"));
        }
    }
    let snapshot = bench.scene.snapshot(sale).await?;
    assert_eq!((snapshot.open.len(), snapshot.lost.len()), (650, 650));
    assert_eq!((snapshot.totals.available, snapshot.pending_orders), (8_700, 1_300));
    Ok(())
}

#[tokio::test]
async fn an_unknown_reply_is_a_fault() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.on_sale(10, 5).await?;
    bench.command::<()>(&format!("HSET @sale:{sale} state haunted"));
    let fault = bench.scene.ledger().snapshot(sale).await.unwrap_err();
    assert!(matches!(fault, LedgerFault::UnknownReply { call: "snapshot", .. }), "{fault}");
    assert!(!fault.nothing_done());
    Ok(())
}

#[tokio::test]
async fn a_key_of_the_wrong_kind_is_a_fault() -> Fact {
    let mut bench = Bench::new();
    let sale = bench.scene.unused()?;
    bench.command::<()>(&format!("SET @sale:{sale} 1"));
    let fault = bench.scene.screen(&crowd(sale, 1)?).await.unwrap_err();
    assert!(fault.to_string().contains("WRONGTYPE"), "{fault}");
    Ok(())
}

#[tokio::test]
async fn a_sale_of_another_shard_is_refused_before_anything_is_sent() -> Fact {
    let subject = fresh().await;
    let scene = Scene::new(subject);
    let mut shards = scene.shards();
    let (here, there) = (shards.next().unwrap(), shards.next().unwrap());
    let intents =
        [intent(scene.unused_of(here)?, "ada", "k", 1)?, intent(scene.unused_of(there)?, "ada", "k", 1)?];
    let fault = scene.ledger().screen(here, &intents).await.unwrap_err();
    assert!(fault.nothing_done(), "{fault}");
    Ok(())
}
