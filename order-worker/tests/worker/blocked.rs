//! Sales whose rows somebody holds, and waits that never end: the others go on, nothing is lost, and the worker leaves.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use flashgate_domain::{Batch, BatchId, SaleId, SystemClock};
use flashgate_order_store::{
    OrderStore, SaleRepository,
    contract::scene::{NOW, draft},
};
use flashgate_order_worker::config::ConsumeConfig;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    consume::{Scene, outcomes},
    double::Event,
};

/// A minute of the paused clock.
const MINUTE: Duration = Duration::from_secs(60);

/// A chunk a batch, of four orders each.
fn small_chunks() -> ConsumeConfig {
    ConsumeConfig { chunk_orders_max: 4.try_into().unwrap(), ..ConsumeConfig::default() }
}

/// A scene with another sale, whose row somebody holds.
async fn scene_with_a_held_sale(config: ConsumeConfig) -> (Scene, SaleId) {
    let scene = Scene::new(config).await;
    let held = scene.store.create_sale(&draft("Held", 1_000).unwrap(), NOW).await.unwrap().id;
    scene.store.locked.lock().insert(held);
    (scene, held)
}

/// What was told within a while, and up to where it was acknowledged.
async fn told_within(scene: &mut Scene, time: Duration) -> (BTreeSet<BatchId>, Option<u64>) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        let _none_yet = timeout(end - Instant::now(), scene.step()).await;
    }
    let (mut told, mut committed) = (BTreeSet::new(), None);
    for event in scene.bus.events() {
        match event {
            Event::Committed { offset } => committed = Some(offset),
            published @ Event::Published { .. } => {
                told.extend(outcomes(&published).iter().map(|outcome| outcome.batch));
            }
        }
    }
    (told, committed)
}

fn ids(batches: &[Batch]) -> BTreeSet<BatchId> {
    batches.iter().map(Batch::id).collect()
}

#[tokio::test(start_paused = true)]
async fn batches_of_a_held_sale_wait_and_those_of_others_go_on() {
    for config in [small_chunks(), ConsumeConfig::default()] {
        let (mut scene, held) = scene_with_a_held_sale(config).await;
        let free = scene.sale;
        // As many as there can be chunks in flight.
        let mut waiting = vec![scene.send_of(held, 1, 4), scene.send_of(held, 2, 4)];
        let others: Vec<Batch> = (3..=10).map(|number| scene.send_of(free, number, 4)).collect();
        waiting.push(scene.send_of(held, 11, 4));
        assert_eq!(told_within(&mut scene, MINUTE).await, (ids(&others), None), "the first one is not done");

        scene.store.locked.lock().clear();
        assert_eq!(told_within(&mut scene, MINUTE).await, (ids(&waiting), Some(11)));
        assert_eq!(scene.store.sale(held).await.unwrap().unwrap().saleable, 1_000 - 12);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_behind_a_batch_that_waits_comes_again_after_a_restart_and_changes_nothing() {
    let (mut scene, held) = scene_with_a_held_sale(small_chunks()).await;
    let free = scene.sale;
    let first = scene.send_of(free, 1, 4);
    let waiting = scene.send_of(held, 2, 4);
    let behind: Vec<Batch> = (3..=6).map(|number| scene.send_of(free, number, 4)).collect();
    let (told, committed) = told_within(&mut scene, MINUTE).await;
    assert_eq!(committed, Some(1), "what is done before it");
    assert_eq!(told, ids(&[&behind[..], &[first]].concat()));

    let (bus, store) = (scene.bus.clone(), Arc::clone(&scene.store));
    drop(scene.consumer);
    bus.restart();
    store.locked.lock().clear();
    let mut again = Scene::with(store, bus, free, small_chunks());
    let (told, committed) = told_within(&mut again, MINUTE).await;
    assert_eq!((told, committed), (ids(&[&behind[..], &[waiting]].concat()), Some(6)));
    assert_eq!(again.store.sale(free).await.unwrap().unwrap().saleable, 1_000_000 - 5 * 4);
}

#[tokio::test(start_paused = true)]
async fn no_more_waits_in_the_worker_than_allowed() {
    let config = ConsumeConfig { parked_orders_max: 8.try_into().unwrap(), ..small_chunks() };
    let (mut scene, held) = scene_with_a_held_sale(config).await;
    for number in 1..=10 {
        scene.send_of(held, number, 4);
    }
    assert_eq!(told_within(&mut scene, MINUTE).await, (BTreeSet::new(), None));
    assert!(scene.bus.taken() <= 4, "two wait, and two at most were at work by then: {}", scene.bus.taken());
    scene.store.locked.lock().clear();
    let (told, committed) = told_within(&mut scene, MINUTE).await;
    assert_eq!((told.len(), committed), (10, Some(10)));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_decides_nothing_for_long_is_not_ready_until_it_does() {
    let (scene, held) = scene_with_a_held_sale(ConsumeConfig::default()).await;
    let (store, health) = (Arc::clone(&scene.store), Arc::clone(&scene.health));
    health.bus(true);
    let watched: Arc<dyn OrderStore> = store.clone();
    tokio::spawn(Arc::clone(&health).watch_store(watched, Arc::new(SystemClock)));
    scene.send_of(held, 1, 4);
    let working = tokio::spawn(scene.consumer.run(scene.leave.clone()));
    sleep(Duration::from_secs(5)).await;
    assert!(health.condition().is_ready(), "that may be a busy row");
    sleep(Duration::from_secs(10)).await;
    assert!(!health.condition().store_up);
    store.locked.lock().clear();
    sleep(Duration::from_secs(3)).await;
    assert!(health.condition().is_ready());
    scene.leave.cancel();
    working.await.unwrap();
}

/// Leaves while it is stuck; how long that took.
async fn leaves(scene: Scene) -> Duration {
    let working = tokio::spawn(scene.consumer.run(scene.leave.clone()));
    sleep(MINUTE).await;
    assert!(!working.is_finished());
    scene.leave.cancel();
    let told_at = Instant::now();
    timeout(MINUTE, working).await.unwrap().unwrap();
    let left_in_bus =
        scene.bus.events().iter().filter(|event| matches!(event, Event::Committed { .. })).count();
    assert_eq!(left_in_bus, 0, "it comes again");
    told_at.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_worker_leaves_in_time_whatever_it_waits_for() {
    let drain = Duration::from_millis(ConsumeConfig::default().drain_timeout_ms.get());

    let (scene, held) = scene_with_a_held_sale(ConsumeConfig::default()).await;
    scene.send_of(held, 1, 4);
    assert!(leaves(scene).await < Duration::from_secs(1), "for a row: it knows that it has to wait");

    let scene = Scene::new(ConsumeConfig::default()).await;
    scene.store.hangs.store(true, Ordering::Relaxed);
    scene.send_of(scene.sale, 1, 4);
    assert!(leaves(scene).await <= drain + Duration::from_millis(10), "for the store's answer");

    let scene = Scene::new(ConsumeConfig::default()).await;
    scene.store.away.store(u32::MAX, Ordering::Relaxed);
    scene.send_of(scene.sale, 1, 4);
    assert!(leaves(scene).await <= drain + Duration::from_millis(10), "for the store to be back");

    let scene = Scene::new(ConsumeConfig::default()).await;
    scene.bus.freeze();
    assert!(leaves(scene).await <= drain + Duration::from_millis(10), "for batches");

    // Frozen after the batch was taken: its outcome cannot be published.
    let scene = Scene::new(ConsumeConfig::default()).await;
    scene.store.away.store(20, Ordering::Relaxed);
    scene.send_of(scene.sale, 1, 4);
    let bus = scene.bus.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(5)).await;
        bus.freeze();
    });
    assert!(leaves(scene).await <= drain + Duration::from_millis(10), "for the broker to take the outcome");
}
