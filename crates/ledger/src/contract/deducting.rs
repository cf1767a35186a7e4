//! Tests of the local transaction.

use flashgate_domain::{BatchId, OrderId};
use futures::future::try_join_all;

use super::{
    Fact, Subject,
    scene::{NO_LIMIT, Scene, crowd, intent},
};
use crate::{Deduction, IntentResult, SaleStock};

/// If one intent does not pass, nothing is applied; each intent gets its result.
pub async fn a_batch_is_all_or_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(2, 5).await?;
    let before = scene.snapshot(sale).await?;
    let batch = scene.batch(crowd(sale, 3)?)?;
    let Deduction::Refused(screening) = scene.ledger().deduct(&batch, &[]).await? else {
        panic!("three units of two were deducted");
    };
    assert_eq!(screening.results, [IntentResult::Pass, IntentResult::Pass, IntentResult::SoldOut]);
    assert_eq!(screening.stocks, [SaleStock { sale, available: 2, epoch: 0 }]);
    assert_eq!(screening.open_orders, 0);
    assert_eq!(scene.snapshot(sale).await?, before);
    assert_eq!(scene.ledger().order(batch.id().base()).await?, None);
    assert_eq!(
        scene.screen(&crowd(sale, 2)?).await?,
        [IntentResult::Pass; 2],
        "no key and no holding is left"
    );
    Ok(())
}

/// The answer to the first was lost: the second changes nothing and returns the same.
pub async fn deducting_again_answers_the_same(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.batch(crowd(sale, 2)?)?;
    let stocks = vec![SaleStock { sale, available: 8, epoch: 0 }];
    assert_eq!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Applied { stocks });
    let before = scene.snapshot(sale).await?;
    assert_eq!(scene.ledger().deduct(&batch, &[]).await?, Deduction::Applied { stocks: vec![] });
    assert_eq!(scene.snapshot(sale).await?, before);
    Ok(())
}

/// The random half of the id distinguishes them.
pub async fn another_batch_with_the_same_base_is_refused(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(vec![intent(sale, "ada", "k", 1)?]).await?;
    let twin = BatchId::from_parts(batch.id().base(), !batch.id().nonce());
    let twin = scene.batch_as(twin, vec![intent(sale, "bob", "k", 1)?])?;
    assert_eq!(scene.ledger().deduct(&twin, &[]).await?, Deduction::IdTaken);
    assert_eq!(scene.available(sale).await?, 9);
    Ok(())
}

/// A client error, which must not create an order.
pub async fn one_key_twice_in_a_batch_is_refused(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.batch(vec![intent(sale, "ada", "k", 1)?, intent(sale, "ada", "k", 1)?])?;
    let deduction = scene.ledger().deduct(&batch, &[]).await?;
    let Deduction::Refused(screening) = deduction else { panic!("{deduction:?}") };
    assert_eq!(screening.results, [IntentResult::Pass, IntentResult::Repeated]);
    assert_eq!(scene.available(sale).await?, 10);
    Ok(())
}

/// Each with its own stock, limit and keys; the batch is still one.
pub async fn a_batch_may_hold_two_sales(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let one = scene.on_sale(10, 2).await?;
    let other = scene.sell(scene.unused_of(scene.shard(one))?, 1, 2).await?;
    let mixed = |key: &str| {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(vec![
            intent(one, "ada", key, 2)?,
            intent(other, "ada", key, 1)?,
            intent(one, "bob", key, 1)?,
        ])
    };
    let batch = scene.deduct(mixed("k")?).await?;
    assert_eq!([scene.available(one).await?, scene.available(other).await?], [7, 0]);
    let replays = [0, 1, 2].map(|place| batch.id().order(place).map(IntentResult::Replay));
    assert_eq!(scene.screen(&mixed("k")?).await?.into_iter().map(Some).collect::<Vec<_>>(), replays);
    let refused = scene.screen(&mixed("l")?).await?;
    assert_eq!(refused, [IntentResult::OverLimit, IntentResult::SoldOut, IntentResult::Pass]);
    for (sale, orders, units) in [(one, 2, 3), (other, 1, 1)] {
        let open = scene.snapshot(sale).await?.open;
        let open = open.first().ok_or("an open batch")?;
        assert_eq!((open.id, open.amount.orders, open.amount.units), (batch.id(), orders, units));
    }
    Ok(())
}

/// The largest spread of a batch.
pub async fn a_batch_may_hold_a_thousand_sales(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let shard = scene.shards().next().ok_or("a shard")?;
    let mut intents = Vec::new();
    for _sale in 0..1_000 {
        let sale = scene.sell(scene.unused_of(shard)?, 1, 1).await?;
        intents.push(intent(sale, "ada", "k", 1)?);
    }
    let again = intents.clone();
    let last = again.last().ok_or("an intent")?.sale();
    scene.deduct(intents).await?;
    assert!(scene.screen(&again).await?.iter().all(|answer| matches!(answer, IntentResult::Replay(_))));
    assert_eq!(scene.available(last).await?, 0);
    Ok(())
}

/// 1,024 intents of one sale, each found again at its index.
pub async fn a_full_batch_is_applied(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(2_000, 1).await?;
    let batch = scene.deduct(crowd(sale, 1_024)?).await?;
    assert_eq!(scene.available(sale).await?, 976);
    let replays: Vec<_> = batch.orders().map(|(order, _intent)| IntentResult::Replay(order)).collect();
    assert_eq!(scene.screen(&crowd(sale, 1_024)?).await?, replays);
    let (last, intent) = batch.orders().last().ok_or("an order")?;
    let found = scene.ledger().order(last).await?.ok_or("the last order")?;
    assert_eq!(found.buyer, intent.buyer_digest());
    Ok(())
}

/// A ledger that computes with floating point would round them.
pub async fn order_ids_above_2_to_the_53_survive(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(2_000, 1).await?;
    let shard = u64::from(scene.shard(sale).get());
    let base = OrderId::new((u64::from(u32::MAX) << 31) | (shard << 17) | (127 << 10))?;
    let batch = scene.batch_as(BatchId::from_parts(base, u64::MAX), crowd(sale, 1_000)?)?;
    scene.ledger().deduct(&batch, &[]).await?;
    let last = batch.id().order(999).ok_or("an order")?;
    let again = [crowd(sale, 1_000)?.pop().ok_or("an intent")?];
    assert_eq!(scene.screen(&again).await?, [IntentResult::Replay(last)]);
    assert_eq!(scene.snapshot(sale).await?.open.first().map(|open| open.id), Some(batch.id()));
    Ok(())
}

/// The backlog of one is not that of another.
pub async fn shards_are_apart(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    for (number, shard) in (1_u8..).zip(scene.shards()) {
        let sale = scene.sell(scene.unused_of(shard)?, 100, 1).await?;
        scene.deduct(crowd(sale, usize::from(number))?).await?;
        let screening = scene.ledger().screen(shard, &crowd(sale, 1)?).await?;
        assert_eq!(screening.open_orders, u64::from(number));
        assert_eq!(screening.stocks.first().map(|stock| stock.sale), Some(sale));
    }
    Ok(())
}

/// 64 batches of 4 units race for 100: exactly 25 of them get theirs.
pub async fn concurrent_batches_never_oversell(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(100, NO_LIMIT).await?;
    let mut races = Vec::new();
    for number in 0..64 {
        let intents = (0..4).map(|key| intent(sale, &format!("b{number}"), &format!("k{key}"), 1));
        let (ledger, batch) = (scene.shared(), scene.batch(intents.collect::<Result<_, _>>()?)?);
        races.push(tokio::spawn(async move { ledger.deduct(&batch, &[]).await }));
    }
    let mut applied = 0;
    for deduction in try_join_all(races).await? {
        applied += u64::from(matches!(deduction?, Deduction::Applied { .. }));
    }
    assert_eq!(applied, 25);
    let snapshot = scene.snapshot(sale).await?;
    assert_eq!((snapshot.totals.available, snapshot.totals.deducted), (0, 100));
    assert_eq!((snapshot.open.len(), snapshot.keys, snapshot.buyers), (25, 100, 25));
    Ok(())
}

/// A gateway in doubt asks again while the first call may still be under way.
pub async fn a_batch_sent_many_times_at_once_is_applied_once(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(100, 5).await?;
    let batch = scene.batch(crowd(sale, 3)?)?;
    let ledger = scene.ledger();
    let deductions = try_join_all((0..16).map(|_time| ledger.deduct(&batch, &[]))).await?;
    assert!(deductions.iter().all(|deduction| matches!(deduction, Deduction::Applied { .. })));
    assert_eq!(scene.available(sale).await?, 97);
    Ok(())
}
