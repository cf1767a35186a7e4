//! The contract suite on a Redis server, and tests of Redis alone that need not stop it.
//! `FLASHGATE_REDIS_URL` names the server; every test has its own key prefix.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test without its server must stop")]

#[path = "server/mod.rs"]
mod server;

use std::sync::Arc;

use flashgate_domain::{CancelReason, audit::LedgerStep, id::ShardCount};
use flashgate_ledger::{
    Compensated, Fate, IntentResult, LedgerError, LedgerState, Returned, Settled, Totals,
    contract::{
        Fact, Subject,
        scene::{Scene, all_cancelled, all_confirmed, cancelled_order, crowd, intent},
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

/// One shard, the scene on it, and direct access to its keys.
struct Fixture {
    config: RedisConfig,
    scene: Scene,
    connection: Connection,
}

impl Fixture {
    fn new() -> Self {
        let config = config(&url());
        let scene = Scene::new(Subject { ledger: Arc::new(ledger(&config)), shards: config.shards });
        let connection = redis::Client::open(url()).unwrap().get_connection().unwrap();
        Self { config, scene, connection }
    }

    fn key(&self, suffix: &str) -> String {
        format!("{}:{{s0}}:{suffix}", self.config.prefix.as_str())
    }

    /// Sends a command; `@` stands for the prefix of every key of the shard.
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
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    fixture.scene.deduct(crowd(sale, 2)?).await?;
    let seen = fixture.scene.snapshot(sale).await?.sequence;
    fixture.command::<()>(&format!("HSET @sale:{sale} sequence {} available 10 deducted 0", seen - 1));

    let other = intent(sale, "ada", "k", 1)?;
    assert_eq!(fixture.scene.screen(std::slice::from_ref(&other)).await?, [IntentResult::Paused]);
    assert_eq!(fixture.scene.snapshot(sale).await?.state, LedgerState::Paused);
    let newcomer =
        Scene::new(Subject { ledger: Arc::new(ledger(&fixture.config)), shards: fixture.config.shards });
    assert_eq!(newcomer.screen(&[other]).await?, [IntentResult::Paused], "for every process");
    Ok(())
}

#[tokio::test]
async fn a_rebuilt_sale_may_begin_with_a_smaller_sequence() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    fixture.scene.deduct(crowd(sale, 2)?).await?;
    fixture.command::<()>(&format!("HSET @sale:{sale} sequence 1 generation 2"));
    assert_eq!(fixture.scene.screen(&[intent(sale, "ada", "k", 1)?]).await?, [IntentResult::Pass]);
    fixture.command::<()>(&format!("HSET @sale:{sale} sequence 99 generation 1"));
    let results = fixture.scene.screen(&[intent(sale, "ada", "k", 1)?]).await?;
    assert_eq!(results, [IntentResult::Paused], "an older generation is behind, whatever its sequence");
    Ok(())
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_sent_again() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    for _time in 0..3 {
        fixture.command::<()>("SCRIPT FLUSH SYNC");
        assert_eq!(fixture.scene.screen(&crowd(sale, 1)?).await?, [IntentResult::Pass]);
    }
    Ok(())
}

#[tokio::test]
async fn a_deleted_entry_of_an_open_batch_is_settled_without_a_second_deduction() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    let batch = fixture.scene.deduct(crowd(sale, 3)?).await?;
    let entry = fixture.log_key(&batch);
    fixture.command::<()>(&format!("DEL {entry}"));
    let settled = fixture.scene.ledger().settle(&all_cancelled(&batch, CancelReason::Timeout)).await?;
    assert!(matches!(settled, Settled::AppliedLate(_)), "{settled:?}");
    let totals = Totals { initial: 10, deducted: 3, returned: 3, available: 10, ..Totals::default() };
    assert_eq!(fixture.scene.snapshot(sale).await?.totals, totals);
    assert_eq!(fixture.command::<i64>("GET @open_orders"), 0);
    assert_eq!(fixture.command::<i64>(&format!("HGET @sale:{sale} pending_orders")), 0);
    Ok(())
}

#[tokio::test]
async fn a_deleted_entry_of_a_settled_batch_is_not_settled_twice() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    let batch = fixture.scene.deduct(crowd(sale, 3)?).await?;
    let outcome = all_cancelled(&batch, CancelReason::Timeout);
    fixture.scene.ledger().settle(&outcome).await?;
    let before = fixture.scene.snapshot(sale).await?.totals;
    let entry = fixture.log_key(&batch);
    fixture.command::<()>(&format!("DEL {entry}"));
    fixture.scene.ledger().settle(&outcome).await?;
    assert_eq!(fixture.scene.snapshot(sale).await?.totals, before);
    Ok(())
}

#[tokio::test]
async fn units_of_an_expired_batch_come_back_once_and_settling_it_again_changes_nothing() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    let batch =
        fixture.scene.deduct(vec![intent(sale, "ada", "k", 4)?, intent(sale, "bob", "k", 1)?]).await?;
    let outcome = all_confirmed(&batch);
    fixture.scene.ledger().settle(&outcome).await?;
    let (entry, order) = (fixture.log_key(&batch), cancelled_order(&batch, 0)?);
    fixture.command::<()>(&format!("PEXPIRE {entry} 0"));
    assert!(matches!(fixture.scene.ledger().return_units(&order).await?, Returned::Done(_)));
    assert_eq!(fixture.scene.ledger().return_units(&order).await?, Returned::Already);
    let after = fixture.scene.snapshot(sale).await?;
    let totals =
        Totals { initial: 10, deducted: 5, returned: 4, released: 4, available: 9, ..Totals::default() };
    assert_eq!(after.totals, totals);

    for _time in 0..2 {
        fixture.scene.ledger().settle(&outcome).await?;
    }
    let settled = fixture.scene.snapshot(sale).await?;
    let counts = |snapshot: &flashgate_ledger::Snapshot| {
        (snapshot.totals, snapshot.buyers, snapshot.keys, snapshot.written, snapshot.pending_orders)
    };
    assert_eq!(counts(&settled), counts(&after));
    assert_eq!(fixture.scene.ledger().return_units(&order).await?, Returned::Already);
    assert!(matches!(
        fixture.scene.ledger().return_units(&cancelled_order(&batch, 1)?).await?,
        Returned::Done(_)
    ));
    Ok(())
}

#[tokio::test]
async fn an_open_batch_without_its_entry_gives_nothing_up() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    let batch = fixture.scene.deduct(vec![intent(sale, "ada", "k", 4)?]).await?;
    let (entry, order) = (fixture.log_key(&batch), cancelled_order(&batch, 0)?);
    fixture.command::<()>(&format!("DEL {entry}"));
    let before = fixture.scene.snapshot(sale).await?;
    assert_eq!(fixture.scene.ledger().return_units(&order).await?, Returned::NotSettled);
    assert_eq!(fixture.scene.snapshot(sale).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_sale_of_an_older_version_has_given_nothing_up() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    let batch = fixture.scene.deduct(vec![intent(sale, "ada", "k", 4)?]).await?;
    fixture.scene.ledger().settle(&all_confirmed(&batch)).await?;
    fixture.command::<()>(&format!("HDEL @sale:{sale} released buyers orders"));
    assert_eq!(fixture.scene.snapshot(sale).await?.totals.released, 0);
    fixture.scene.ledger().return_units(&cancelled_order(&batch, 0)?).await?;
    let snapshot = fixture.scene.snapshot(sale).await?;
    assert_eq!((snapshot.totals.released, snapshot.totals.available), (4, 10));
    assert_eq!((snapshot.written.buyers, snapshot.written.keys), (0, 1));
    Ok(())
}

#[tokio::test]
async fn an_edited_out_unit_is_restored_by_the_step_that_saw_it_missing() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    fixture.scene.deduct(crowd(sale, 3)?).await?;
    let totals = fixture.scene.snapshot(sale).await?.totals;
    fixture.command::<()>(&format!("HINCRBY @sale:{sale} available -1"));
    let unseen = LedgerStep { generation: 1, adjustments: 0, in_ledger: 0, across: -1 };
    let moved = Compensated::Conflict { generation: 1, adjustments: 0, in_ledger: -1 };
    assert_eq!(fixture.scene.ledger().compensate(sale, &unseen).await?, moved);
    let seen = LedgerStep { in_ledger: -1, across: 0, ..unseen };
    let done = fixture.scene.ledger().compensate(sale, &seen).await?;
    assert!(matches!(done, Compensated::Done { deferred_units: 0, .. }), "{done:?}");
    let corrected = fixture.scene.snapshot(sale).await?;
    assert_eq!(
        (corrected.totals, corrected.epoch),
        (totals, 1),
        "the totals were right, and buyers get an event"
    );
    Ok(())
}

#[tokio::test]
async fn an_edited_in_unit_that_was_sold_meanwhile_is_taken_as_far_as_possible() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(5, 5).await?;
    fixture.command::<()>(&format!("HINCRBY @sale:{sale} available 2"));
    let batch = fixture.scene.deduct(crowd(sale, 6)?).await?;
    let step = LedgerStep { generation: 1, adjustments: 0, in_ledger: 2, across: 0 };
    let outcome = |done: Compensated| match done {
        Compensated::Done { stock, deferred_units } => Some((stock.available, deferred_units)),
        Compensated::Conflict { .. } | Compensated::Missing => None,
    };
    let first = fixture.scene.ledger().compensate(sale, &step).await?;
    assert_eq!(outcome(first), Some((0, 1)), "one is sold, and its order is not decided");
    fixture.scene.ledger().settle(&all_cancelled(&batch, CancelReason::OutOfStock)).await?;
    let later = LedgerStep { adjustments: 1, in_ledger: 1, ..step };
    assert_eq!(outcome(fixture.scene.ledger().compensate(sale, &later).await?), Some((0, 0)));
    let totals = fixture.scene.snapshot(sale).await?.totals;
    assert_eq!((totals.returned, totals.reclaimed), (1, 1), "it was written off, and makes up for it");
    Ok(())
}

#[tokio::test]
async fn evidence_is_kept_as_long_as_configured() -> Fact {
    let mut fixture = Fixture::new();
    let week_ms = 7 * 24 * 3_600_000_i64;
    let nearly = |ttl: i64| (week_ms - 60_000..=week_ms).contains(&ttl);
    let sale = fixture.scene.on_sale(10, 5).await?;
    let open = fixture.scene.deduct(crowd(sale, 1)?).await?;
    let entry = fixture.log_key(&open);
    assert_eq!(fixture.command::<i64>(&format!("PTTL {entry}")), -1, "an open batch stays");
    fixture.scene.ledger().settle(&all_confirmed(&open)).await?;
    assert!(nearly(fixture.command(&format!("PTTL {entry}"))));

    let fenced = fixture.scene.batch(crowd(sale, 1)?)?;
    assert_eq!(fixture.scene.ledger().check_back(fenced.id()).await?, Fate::Fenced);
    let fence = fixture.log_key(&fenced);
    assert!(nearly(fixture.command(&format!("PTTL {fence}"))));
    Ok(())
}

#[tokio::test]
async fn the_keys_of_a_closed_sale_go_only_when_nothing_is_open_and_all_at_once_in_the_background() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    let batch = fixture.scene.deduct(crowd(sale, 1)?).await?;
    fixture.scene.ledger().close(sale).await?;
    let exist = format!("EXISTS @sale:{sale} @held:{sale} @keys:{sale}");
    assert_eq!(fixture.command::<i64>("ZCARD @retired"), 0, "an order is open");
    fixture.scene.ledger().settle(&all_confirmed(&batch)).await?;
    assert!(fixture.command::<i64>(&format!("ZSCORE @retired {sale}")) > 0);
    for key in ["sale", "held", "keys"].map(|what| format!("PTTL @{what}:{sale}")) {
        assert_eq!(fixture.command::<i64>(&key), -1, "{key}: a large one that expires would stop the server");
    }
    assert_eq!(fixture.scene.ledger().sweep().await?, 0, "its retention is not over");
    assert_eq!(fixture.command::<i64>(&exist), 3);
    fixture.command::<()>(&format!("ZADD @retired 1 {sale}"));
    assert_eq!(fixture.scene.ledger().sweep().await?, 1);
    assert_eq!((fixture.command::<i64>(&exist), fixture.command::<i64>("ZCARD @retired")), (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_sale_that_sells_again_is_not_swept() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    fixture.command::<()>(&format!("ZADD @retired 1 {sale}"));
    assert_eq!(fixture.scene.ledger().sweep().await?, 0);
    assert_eq!(fixture.command::<i64>("ZCARD @retired"), 0);
    assert_eq!(fixture.scene.available(sale).await?, 10);
    Ok(())
}

/// Damages the keys of a sale in which `ada` holds 2 and `bob` 1.
async fn loses(damage: &[&str]) -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 2).await?;
    fixture.scene.deduct(vec![intent(sale, "ada", "k", 2)?, intent(sale, "bob", "k", 1)?]).await?;
    for command in damage {
        fixture.command::<()>(&command.replace('#', &sale.to_string()));
    }
    let again = intent(sale, "ada", "other", 1)?;
    assert_eq!(
        fixture.scene.screen(std::slice::from_ref(&again)).await?,
        [IntentResult::Paused],
        "{damage:?}"
    );
    let snapshot = fixture.scene.snapshot(sale).await?;
    let there = flashgate_ledger::WrittenCounts { buyers: snapshot.buyers, keys: snapshot.keys };
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
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 2).await?;
    let batch = fixture.scene.deduct(crowd(sale, 2)?).await?;
    fixture.command::<()>(&format!("DEL @held:{sale}"));
    fixture.scene.ledger().settle(&all_cancelled(&batch, CancelReason::Timeout)).await?;
    assert_eq!(fixture.scene.snapshot(sale).await?.state, LedgerState::Paused);
    Ok(())
}

#[tokio::test]
async fn a_part_that_is_lost_is_found_when_units_are_returned() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 2).await?;
    let batch = fixture.scene.deduct(crowd(sale, 2)?).await?;
    fixture.scene.ledger().settle(&all_confirmed(&batch)).await?;
    fixture.command::<()>(&format!("DEL @held:{sale}"));
    let returned = fixture.scene.ledger().return_units(&cancelled_order(&batch, 0)?).await?;
    assert!(matches!(returned, Returned::Done(_)), "{returned:?}");
    assert_eq!(fixture.scene.snapshot(sale).await?.state, LedgerState::Paused);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_of_many_open_batches_is_taken_in_steps_and_is_whole() -> Fact {
    let mut fixture = Fixture::new();
    let (sale, other) = (fixture.scene.on_sale(10_000, 1).await?, fixture.scene.on_sale(10_000, 1).await?);
    let mut batches = Vec::new();
    for intent in crowd(sale, 1_300)?.chunks(1) {
        batches.push(fixture.scene.deduct(intent.to_vec()).await?);
    }
    fixture.scene.deduct(crowd(other, 1)?).await?;
    // All at one time: a step must not loop.
    for (at, batch) in batches.iter().enumerate() {
        if at < 1_200 {
            fixture.command::<()>(&format!("ZADD @open 5 {}", batch.id()));
        }
        if at % 2 == 0 {
            let entry = fixture.log_key(batch);
            fixture.command::<()>(&format!("DEL {entry}"));
        }
    }
    let snapshot = fixture.scene.snapshot(sale).await?;
    assert_eq!((snapshot.open.len(), snapshot.lost.len()), (650, 650));
    assert_eq!((snapshot.totals.available, snapshot.pending_orders), (8_700, 1_300));
    Ok(())
}

#[tokio::test]
async fn an_unknown_reply_is_a_fault() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.on_sale(10, 5).await?;
    fixture.command::<()>(&format!("HSET @sale:{sale} state haunted"));
    let fault = fixture.scene.ledger().snapshot(sale).await.unwrap_err();
    assert!(matches!(fault, LedgerError::UnknownReply { call: "snapshot", .. }), "{fault}");
    assert!(!fault.nothing_done());
    Ok(())
}

#[tokio::test]
async fn a_key_of_the_wrong_kind_is_a_fault() -> Fact {
    let mut fixture = Fixture::new();
    let sale = fixture.scene.unused()?;
    fixture.command::<()>(&format!("SET @sale:{sale} 1"));
    let fault = fixture.scene.screen(&crowd(sale, 1)?).await.unwrap_err();
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
