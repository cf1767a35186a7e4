//! SIGKILL in the middle of a rush, again and again, on one folder.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    door::{buy, open_sale, sale},
    process::Serve,
    selling::decided,
};

const STOCK: u64 = 100_000;
const BUYERS_AT_ONCE: usize = 32;
/// Kills of the ordinary test run; `FLASHGATE_KILLS` asks for others.
const KILLS: u32 = 4;
const READY_MAX: Duration = Duration::from_secs(5);

/// A purchase whose buyer was promised an order, or does not know.
type Purchases = Arc<Mutex<HashMap<u64, Option<String>>>>;

fn kills() -> u32 {
    let asked = std::env::var("FLASHGATE_KILLS").ok();
    asked.map_or(KILLS, |text| text.parse::<NonZeroU32>().expect("FLASHGATE_KILLS is a number above 0").get())
}

/// Buys one unit after another, each with a key of its own, until the server is gone.
async fn rush(http: std::net::SocketAddr, sale: u64, next: Arc<AtomicU64>, purchases: Purchases) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let answer = buy(http, sale, &format!("b{number}"), "k").await;
        let order = match answer {
            Some((202, body)) => Some(body["order_id"].as_str().unwrap().to_owned()),
            // The outcome is not known, or nobody was there to ask: it is asked for again at the end.
            Some((503, _)) | None => None,
            Some((status, body)) => panic!("{status}: {body}"),
        };
        let gone = order.is_none();
        purchases.lock().insert(number, order);
        if gone && tokio::net::TcpStream::connect(http).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_accepted_order_survives_sigkill_under_load() {
    let seed: u64 = std::env::var("FLASHGATE_SEED").ok().map_or(4, |text| text.parse().unwrap());
    println!("seed {seed} (FLASHGATE_SEED)");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Serve::start(folder.path()).await;
    let id = open_sale(&serve, STOCK, 1).await;
    let (next, purchases) = (Arc::new(AtomicU64::new(0)), Purchases::default());
    let slowest = Arc::new(Mutex::new(Duration::ZERO));
    for kill in 0..kills() {
        let mut buyers = JoinSet::new();
        for _ in 0..BUYERS_AT_ONCE {
            buyers.spawn(rush(serve.http, id, Arc::clone(&next), Arc::clone(&purchases)));
        }
        sleep(Duration::from_millis(random.random_range(50..1_500))).await;
        serve.kill().await;
        while let Some(ended) = buyers.join_next().await {
            ended.unwrap();
        }
        serve = Serve::start(folder.path()).await;
        println!("kill {kill}: {} purchases, ready after {:?}", next.load(Ordering::Relaxed), serve.took);
        let mut slowest = slowest.lock();
        *slowest = (*slowest).max(serve.took);
    }
    let (promised, held) = check(&serve, id, &purchases).await;
    println!("{promised} promised, {held} orders");
    let slowest = *slowest.lock();
    assert!(slowest < READY_MAX, "ready only after {slowest:?}");
    assert_eq!(serve.stop().await, Some(0));
}

/// Asks again for what is not known, and compares what was promised with what the order store has.
/// Returns how many were promised an order, and how many hold one.
async fn check(serve: &Serve, id: u64, purchases: &Purchases) -> (u64, u64) {
    let purchases = std::mem::take(&mut *purchases.lock());
    let mut promised = 0;
    let mut orders = HashMap::new();
    for (number, order) in &purchases {
        let buyer = format!("b{number}");
        // The same key again: the same order, or one now if there was none.
        let (status, body) = loop {
            match buy(serve.http, id, &buyer, "k").await {
                Some((503, _)) | None => sleep(Duration::from_millis(20)).await,
                Some(answer) => break answer,
            }
        };
        assert_eq!(status, 202, "{buyer}: {body}");
        let found = body["order_id"].as_str().unwrap().to_owned();
        if let Some(order) = order {
            promised += 1;
            assert_eq!(order, &found, "{buyer} was promised another order");
        }
        assert_eq!(decided(serve, &found, &buyer).await, "confirmed", "{buyer}");
        assert_eq!(orders.insert(found, *number), None, "two buyers have one order");
    }
    assert!(promised > 0, "nobody was promised anything: nothing was tried");
    let held = u64::try_from(orders.len()).unwrap();
    let store = sale(serve.operator, id).await;
    assert_eq!(store["saleable"], STOCK - held, "units of orders that nobody has: {store}");
    (promised, held)
}
