//! Every script of the ledger, made to fail before each of its writes: Redis does not undo the earlier writes.
//! Whatever the state, no unit is sold twice, no buyer gets more than the limit, and repeating the call completes it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail at any line")]

#[path = "server/mod.rs"]
mod server;

use std::sync::Arc;

use flashgate_domain::{Batch, CancelReason, Decision, Sale, SaleId, audit::LedgerStep};
use flashgate_ledger::{
    Deduction, Fate, IntentResult, LedgerError, LedgerState, Rebuilding, Rebuilt, Repairing, Returned,
    Returning, SaleLifecycle, Selling, Settled,
    contract::{
        Fact, Subject,
        scene::{
            MESSAGE, Scene, all_cancelled, all_confirmed, cancelled, cancelled_order, intent, open_window,
            outcome,
        },
    },
};
use flashgate_ledger_redis::RedisLedger;
use server::{config, ledger};

const STOCK: u64 = 6;
const LIMIT: u32 = 2;

struct Fixture {
    ledger: Arc<RedisLedger>,
    scene: Scene,
    sale: SaleId,
}

impl Fixture {
    async fn new() -> Self {
        let url = std::env::var("FLASHGATE_REDIS_URL").expect("FLASHGATE_REDIS_URL must name a Redis server");
        let config = config(&url);
        let ledger = Arc::new(ledger(&config));
        let subject = Subject { ledger: Arc::<RedisLedger>::clone(&ledger), shards: config.shards };
        let scene = Scene::new(subject);
        let sale = scene.on_sale(STOCK, LIMIT).await.unwrap();
        Self { ledger, scene, sale }
    }

    /// Makes a call whose scripts fail after that many writes. Its answer, if they succeeded.
    async fn broken_off<T>(
        &self,
        writes: u32,
        call: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<Option<T>, Box<dyn std::error::Error + Send + Sync>> {
        self.ledger.break_off_after(Some(writes));
        let answer = call.await;
        self.ledger.break_off_after(None);
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(fault) => {
                assert!(!fault.nothing_done(), "{fault}");
                Ok(None)
            }
        }
    }

    async fn batch(&self, buyers: &[(&str, u32)]) -> Batch {
        let intents = buyers.iter().map(|(buyer, units)| intent(self.sale, buyer, "k", *units).unwrap());
        self.scene.deduct(intents.collect()).await.unwrap()
    }

    /// Buys all remaining units, one per call. Returns the number of units, and of those that `ada` got.
    async fn sell_out(&self) -> (u64, u32) {
        let (mut units, mut of_ada) = (0, 0);
        for number in 0..20 {
            let buyer = if number < 4 { "ada".to_owned() } else { format!("late-{number}") };
            let wanted = intent(self.sale, &buyer, &format!("late-{number}"), 1).unwrap();
            let batch = self.scene.batch(vec![wanted]).unwrap();
            if let Deduction::Applied { .. } = self.ledger.deduct(&batch, MESSAGE).await.unwrap() {
                (units, of_ada) = (units + 1, of_ada + u32::from(buyer == "ada"));
            }
        }
        (units, of_ada)
    }

    async fn state(&self) -> LedgerState {
        self.scene.snapshot(self.sale).await.unwrap().state
    }

    fn stored(&self, generation: u32) -> Sale {
        let sale = self.scene.sale(self.sale, STOCK, LIMIT, open_window().unwrap()).unwrap();
        Sale { generation, ..sale }
    }
}

/// Runs `case` with 0, 1, 2 … writes until no script fails any more; it returns whether one failed.
async fn at_each_write<F: Future<Output = Result<bool, Box<dyn std::error::Error + Send + Sync>>>>(
    writes_min: u32,
    case: impl Fn(u32) -> F,
) -> Fact {
    let mut writes = 0;
    while case(writes).await? {
        writes += 1;
        assert!(writes < 50, "a script that writes for ever");
    }
    assert!(writes >= writes_min, "broken off {writes} times only");
    Ok(())
}

#[tokio::test]
async fn a_deduction_broken_off_sells_no_unit_twice() -> Fact {
    at_each_write(6, |writes| async move {
        let fixture = Fixture::new().await;
        let intents = vec![intent(fixture.sale, "ada", "k", 2)?, intent(fixture.sale, "bob", "k", 1)?];
        let batch = fixture.scene.batch(intents)?;
        let answer = fixture.broken_off(writes, fixture.ledger.deduct(&batch, MESSAGE)).await?;
        let taken = match fixture.ledger.check_back(batch.id()).await? {
            Fate::Deducted => 3,
            Fate::Fenced => 0,
        };
        let (sold, of_ada) = fixture.sell_out().await;
        assert!(taken + sold <= STOCK, "{taken} and {sold} after {writes} writes");
        assert!(if taken > 0 { of_ada == 0 } else { of_ada <= LIMIT }, "{of_ada} after {writes} writes");
        if answer.is_none() {
            let expected = if writes == 0 { LedgerState::Active } else { LedgerState::Paused };
            assert_eq!(fixture.state().await, expected, "after {writes} writes");
        }
        if taken > 0 {
            let settled = fixture.ledger.settle(&all_confirmed(&batch)).await?;
            assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
        }
        Ok(answer.is_none())
    })
    .await
}

#[tokio::test]
async fn a_cancellation_broken_off_gives_nothing_back_twice() -> Fact {
    at_each_write(7, |writes| async move {
        let fixture = Fixture::new().await;
        let batch = fixture.batch(&[("ada", 2), ("bob", 1)]).await;
        let other = fixture.batch(&[("cyd", 1)]).await;
        let decided = outcome(&batch, |place| match place {
            0 => cancelled(CancelReason::Timeout),
            _ => Decision::Confirmed,
        });
        let answer = fixture.broken_off(writes, fixture.ledger.settle(&decided)).await?;
        let mut stopped = false;
        for _again in 0..3 {
            let settled = fixture.ledger.settle(&decided).await?;
            stopped |= matches!(settled, Settled::BrokenOff { .. });
            assert!(!matches!(settled, Settled::Contradiction | Settled::IdTaken), "{settled:?}");
        }
        fixture.ledger.settle(&all_confirmed(&other)).await?;
        // Bob's unit and Cyd's are sold for good, those of Ada came back.
        let (sold, of_ada) = fixture.sell_out().await;
        assert!(sold + 2 <= STOCK && of_ada <= LIMIT, "{sold} and {of_ada} after {writes} writes");
        let snapshot = fixture.scene.snapshot(fixture.sale).await?;
        assert!(snapshot.open.iter().all(|open| open.id != batch.id()), "it is not open any more");
        let was_cut_inside = answer.is_none() && writes > 0;
        assert!(!stopped || was_cut_inside, "only what was broken off is stopped");
        Ok(answer.is_none())
    })
    .await
}

#[tokio::test]
async fn a_confirmation_broken_off_is_ended_by_the_next_call() -> Fact {
    at_each_write(6, |writes| async move {
        let fixture = Fixture::new().await;
        let batch = fixture.batch(&[("ada", 2), ("bob", 1)]).await;
        let answer = fixture.broken_off(writes, fixture.ledger.settle(&all_confirmed(&batch))).await?;
        for _again in 0..2 {
            let settled = fixture.ledger.settle(&all_confirmed(&batch)).await?;
            assert!(!matches!(settled, Settled::Contradiction | Settled::IdTaken), "{settled:?}");
        }
        assert_eq!(fixture.ledger.check_back(batch.id()).await?, Fate::Deducted);
        assert!(fixture.scene.snapshot(fixture.sale).await?.open.is_empty());
        let (sold, of_ada) = fixture.sell_out().await;
        assert!(sold + 3 <= STOCK && of_ada == 0, "{sold} and {of_ada} after {writes} writes");
        // Whatever the count of pending orders is: a sale without open batches can be rebuilt.
        fixture.ledger.pause(fixture.sale).await?;
        let late = fixture.scene.snapshot(fixture.sale).await?.open;
        if late.is_empty() {
            assert_eq!(fixture.ledger.begin_rebuild(&fixture.stored(2)).await?, Rebuilding::Begun);
        }
        Ok(answer.is_none())
    })
    .await
}

#[tokio::test]
async fn an_outcome_of_an_unknown_batch_broken_off_is_not_counted_twice() -> Fact {
    at_each_write(6, |writes| async move {
        let fixture = Fixture::new().await;
        let intents = vec![intent(fixture.sale, "ada", "k", 2)?, intent(fixture.sale, "bob", "k", 1)?];
        let batch = fixture.scene.batch(intents)?;
        let answer = fixture.broken_off(writes, fixture.ledger.settle(&all_confirmed(&batch))).await?;
        for _again in 0..2 {
            fixture.ledger.settle(&all_confirmed(&batch)).await?;
        }
        assert_eq!(fixture.ledger.check_back(batch.id()).await?, Fate::Deducted);
        let (sold, of_ada) = fixture.sell_out().await;
        assert!(sold + 3 <= STOCK, "{sold} after {writes} writes");
        assert_eq!(of_ada, 0, "after {writes} writes");
        Ok(answer.is_none())
    })
    .await
}

#[tokio::test]
async fn a_return_broken_off_gives_nothing_back_twice() -> Fact {
    at_each_write(4, |writes| async move {
        let fixture = Fixture::new().await;
        let batch = fixture.batch(&[("ada", 2), ("bob", 1)]).await;
        fixture.ledger.settle(&all_confirmed(&batch)).await?;
        let order = cancelled_order(&batch, 0)?;
        let answer = fixture.broken_off(writes, fixture.ledger.return_units(&order)).await?;
        for again in 0..2 {
            let returned = fixture.ledger.return_units(&order).await?;
            let is_first = answer.is_none() && writes == 0 && again == 0;
            assert_eq!(matches!(returned, Returned::Done(_)), is_first, "{returned:?} after {writes} writes");
        }
        assert_eq!(fixture.ledger.settle(&all_confirmed(&batch)).await?, Settled::Already);
        let (sold, of_ada) = fixture.sell_out().await;
        // Bob's unit is sold for good.
        assert!(sold < STOCK && of_ada <= LIMIT, "{sold} and {of_ada} after {writes} writes");
        if answer.is_some() || writes == 0 {
            assert_eq!((sold, of_ada), (STOCK - 1, LIMIT), "after {writes} writes");
        }
        Ok(answer.is_none())
    })
    .await
}

#[tokio::test]
async fn a_rebuild_broken_off_anywhere_does_not_sell_until_it_adds_up() -> Fact {
    rebuilds_broken_off(false).await
}

#[tokio::test]
async fn a_rebuild_broken_off_while_an_order_is_cancelled_does_not_sell_until_it_adds_up() -> Fact {
    rebuilds_broken_off(true).await
}

/// `restored_before`: the order that is cancelled later was restored as confirmed by an earlier call.
async fn rebuilds_broken_off(restored_before: bool) -> Fact {
    at_each_write(4, |writes| async move {
        let fixture = Fixture::new().await;
        let batch = fixture.batch(&[("ada", 2), ("bob", 1), ("cyd", 2)]).await;
        let decided = |of_cyd| {
            outcome(&batch, |place| match place {
                0 => Decision::Confirmed,
                1 => cancelled(CancelReason::OutOfStock),
                _ => of_cyd,
            })
        };
        let (placed, present) = (decided(Decision::Confirmed), decided(cancelled(CancelReason::ByBuyer)));
        fixture.ledger.settle(&placed).await?;
        fixture.ledger.pause(fixture.sale).await?;
        let left = i64::try_from(STOCK)? - 2;

        let began = fixture.broken_off(writes, fixture.ledger.begin_rebuild(&fixture.stored(2))).await?;
        if began.is_none() {
            fixture.ledger.begin_rebuild(&fixture.stored(2)).await?;
        }
        if restored_before {
            fixture.ledger.restore(fixture.sale, 2, &placed).await?;
        }
        let restored = fixture.broken_off(writes, fixture.ledger.restore(fixture.sale, 2, &present)).await?;
        fixture.ledger.restore(fixture.sale, 2, &present).await?;
        let ended = fixture.broken_off(writes, fixture.ledger.end_rebuild(fixture.sale, 2, left)).await?;
        let stands = Rebuilt::Done { state: LedgerState::Active };
        if fixture.ledger.end_rebuild(fixture.sale, 2, left).await? != stands {
            assert!(restored.is_none(), "it adds up unless it was broken off");
            assert_eq!(fixture.ledger.begin_rebuild(&fixture.stored(3)).await?, Rebuilding::Begun);
            fixture.ledger.restore(fixture.sale, 3, &present).await?;
            assert_eq!(fixture.ledger.end_rebuild(fixture.sale, 3, left).await?, stands);
        }
        let totals = fixture.scene.snapshot(fixture.sale).await?.totals;
        assert_eq!((totals.returned, totals.released), (2, 2), "after {writes} writes");
        assert_eq!(fixture.ledger.return_units(&cancelled_order(&batch, 2)?).await?, Returned::Already);
        let replay = intent(fixture.sale, "ada", "k", 2)?;
        let order = batch.id().order(0).expect("its first order");
        assert_eq!(fixture.scene.screen(&[replay]).await?, [IntentResult::Replay(order)]);
        let (sold, of_ada) = fixture.sell_out().await;
        assert_eq!((sold, of_ada), (STOCK - 2, 0), "after {writes} writes");
        Ok(began.is_none() || restored.is_none() || ended.is_none())
    })
    .await
}

#[tokio::test]
async fn a_step_broken_off_happens_once() -> Fact {
    at_each_write(1, |writes| async move {
        let fixture = Fixture::new().await;
        fixture.batch(&[("ada", 2)]).await;
        let step = LedgerStep { generation: 1, adjustments: 0, in_ledger: 0, across: -1 };
        let answer = fixture.broken_off(writes, fixture.ledger.compensate(fixture.sale, &step)).await?;
        fixture.ledger.compensate(fixture.sale, &step).await?;
        assert_eq!(fixture.scene.available(fixture.sale).await?, i64::try_from(STOCK)? - 1);
        Ok(answer.is_none())
    })
    .await
}

#[tokio::test]
async fn an_interrupted_step_of_a_sale_is_completed_by_the_next_call() -> Fact {
    at_each_write(1, |writes| async move {
        let fixture = Fixture::new().await;
        let id = fixture.scene.unused()?;
        let sale = fixture.scene.sale(id, STOCK, LIMIT, open_window()?)?;
        let mut cut = fixture.broken_off(writes, fixture.ledger.prepare(&sale)).await?.is_none();
        fixture.ledger.prepare(&sale).await?;
        cut |= fixture.broken_off(writes, fixture.ledger.activate(id, 1)).await?.is_none();
        fixture.ledger.activate(id, 1).await?;
        let before = fixture.scene.snapshot(id).await?;
        assert_eq!((before.state, before.sequence), (LedgerState::Active, 2));
        cut |= fixture.broken_off(writes, fixture.ledger.pause(id)).await?.is_none();
        fixture.ledger.pause(id).await?;
        let paused = fixture.scene.snapshot(id).await?;
        assert_eq!((paused.state, paused.sequence), (LedgerState::Paused, 3));
        cut |= fixture.broken_off(writes, fixture.ledger.close(id)).await?.is_none();
        fixture.ledger.close(id).await?;
        let closed = fixture.scene.snapshot(id).await?;
        assert_eq!((closed.state, closed.sequence), (LedgerState::Closed, 4));
        let fenced = fixture.scene.batch(vec![intent(fixture.sale, "eve", "k", 1)?])?;
        cut |= fixture.broken_off(writes, fixture.ledger.check_back(fenced.id())).await?.is_none();
        assert_eq!(fixture.ledger.check_back(fenced.id()).await?, Fate::Fenced);
        let open = fixture.batch(&[("ada", 1)]).await;
        fixture.ledger.settle(&all_cancelled(&open, CancelReason::Timeout)).await?;
        Ok(cut)
    })
    .await
}
