//! Two concurrent workers on one store.

use std::sync::Arc;

use flashgate_domain::{Batch, BatchOutcome, CancelReason, OrderState, SaleId};

use super::{
    Broken, Fact, Subject,
    deadlines::{self, DUE, MINUTE, all, orders},
    lifecycle::{self, change},
    scene::{NOW, batch, confirmed_units, decided, intent, singles},
};
use crate::{Changed, OrderStore, StoreError};

/// Retries as a worker does, until the store answers.
async fn persist(store: Arc<dyn OrderStore>, chunks: Vec<Vec<Batch>>) -> Result<Vec<BatchOutcome>, Broken> {
    let mut outcomes = Vec::new();
    for chunk in chunks {
        let placed = loop {
            match store.apply(&chunk, NOW).await {
                Err(StoreError::Contended(_) | StoreError::Blocked { .. }) => tokio::task::yield_now().await,
                opinion => break opinion?,
            }
        };
        outcomes.extend(decided(placed)?);
    }
    Ok(outcomes)
}

/// Applies each store's chunks, both stores concurrently; returns their outcomes.
async fn race(subject: &Subject, chunks: [Vec<Vec<Batch>>; 2]) -> Result<[Vec<BatchOutcome>; 2], Broken> {
    let [one, two] = &subject.stores;
    let [of_one, of_two] = chunks;
    let one = tokio::spawn(persist(Arc::clone(one), of_one));
    let two = tokio::spawn(persist(Arc::clone(two), of_two));
    Ok([one.await??, two.await??])
}

async fn conserved(subject: &Subject, sale: SaleId, stock: u64, outcomes: &[BatchOutcome]) -> Fact {
    assert_eq!(subject.saleable(sale).await?, stock - confirmed_units(outcomes, sale));
    Ok(())
}

/// Exactly the stock is sold, however the transactions interleave.
pub async fn two_stores_never_oversell(subject: &Subject) -> Fact {
    let sale = subject.sale(300).await?;
    let chunk = |number| Ok(vec![singles(number, sale, 10)?]);
    let chunks = |start: u64| (0..20).map(|i| chunk(start + 2 * i)).collect::<Result<Vec<_>, Broken>>();
    let [one, two] = race(subject, [chunks(1)?, chunks(2)?]).await?;
    let outcomes = [one, two].concat();
    assert_eq!(confirmed_units(&outcomes, sale), 300);
    conserved(subject, sale, 300, &outcomes).await
}

/// As when a queue moves to another worker while its chunk is being decided.
pub async fn two_stores_with_the_same_chunk_decide_it_once(subject: &Subject) -> Fact {
    let sale = subject.sale(1_000).await?;
    let chunk = |i: u64| Ok(vec![singles(3 * i, sale, 7)?, singles(3 * i + 1, sale, 5)?]);
    let chunks = || (1..=20).map(chunk).collect::<Result<Vec<_>, Broken>>();
    let [one, two] = race(subject, [chunks()?, chunks()?]).await?;
    assert_eq!(one, two);
    conserved(subject, sale, 1_000, &one).await
}

/// As after a ledger that lost its keys, with the two orders of a purchase in two queues.
pub async fn two_stores_with_the_same_keys_sell_each_once(subject: &Subject) -> Fact {
    let sale = subject.sale(1_000).await?;
    let chunks = |start: u64| {
        let chunk = |i: u64| {
            let intents = (0..5).map(|key| intent(sale, &format!("buyer-{i}"), &format!("key-{key}"), 1));
            Ok(vec![batch(start + 2 * i, intents.collect::<Result<_, _>>()?)?])
        };
        (0..20).map(chunk).collect::<Result<Vec<_>, Broken>>()
    };
    let [one, two] = race(subject, [chunks(1)?, chunks(2)?]).await?;
    let outcomes = [one, two].concat();
    assert_eq!(confirmed_units(&outcomes, sale), 20 * 5);
    conserved(subject, sale, 1_000, &outcomes).await
}

/// Each order is cancelled through one worker while it is paid through the other.
pub async fn of_two_concurrent_transitions_one_wins(subject: &Subject) -> Fact {
    let sale = subject.sale(200).await?;
    let orders = subject.place(1, sale, &[3; 60]).await?;
    let targets = [OrderState::Cancelled(CancelReason::ByBuyer), OrderState::Paid];
    let [one, two] = [0, 1].map(|i| {
        let (store, orders) = (Arc::clone(&subject.stores[i]), orders.clone());
        tokio::spawn(async move {
            let mut answers = Vec::new();
            for (at, order) in orders.into_iter().enumerate() {
                let change = change(order, OrderState::Confirmed, targets[(at + i) % 2]);
                answers.push(lifecycle::persist(&*store, &change).await?);
            }
            Ok::<_, StoreError>(answers)
        })
    });
    let (one, two) = (one.await??, two.await??);
    let mut returned = 0;
    for (order, answers) in orders.iter().zip(one.into_iter().zip(two)) {
        let (event, loser) = match answers {
            (Changed::Now(event), Changed::Elsewhere(loser)) => (event, loser),
            (Changed::Elsewhere(loser), Changed::Now(event)) => (event, loser),
            answers => return Err(format!("{order}: {answers:?}").into()),
        };
        assert_eq!((loser.state, loser.version), (event.to, 2));
        assert_eq!(subject.store().order(*order).await?, Some(loser));
        returned += if event.returns_units() { 3 } else { 0 };
        assert_eq!(subject.store().order_events(*order).await?, [event]);
    }
    assert_eq!(subject.stock(sale).await?, (20 + returned, returned));
    Ok(())
}

/// Every unit that was returned can be sold, and once.
pub async fn placing_while_units_return_never_oversells(subject: &Subject) -> Fact {
    let sale = subject.sale(60).await?;
    let orders = subject.place(1, sale, &[1; 60]).await?;
    let [desk, writer] = subject.stores.each_ref().map(Arc::clone);
    let returning = tokio::spawn(async move {
        let timeout = OrderState::Cancelled(CancelReason::Timeout);
        for order in orders {
            lifecycle::persist(&*desk, &change(order, OrderState::Confirmed, timeout)).await?;
        }
        Ok::<_, StoreError>(())
    });
    let chunks = (2..32).map(|number| Ok(vec![singles(number, sale, 4)?]));
    let placing = tokio::spawn(persist(writer, chunks.collect::<Result<Vec<_>, Broken>>()?));
    returning.await??;
    let sold = confirmed_units(&placing.await??, sale);
    assert!(sold <= 60, "{sold} of 60 returned units are sold");
    assert_eq!(subject.stock(sale).await?, (60 - sold, 60));
    let snapshot = subject.store().snapshot(sale, &[]).await?.ok_or("the sale is gone")?;
    assert_eq!(snapshot.orders.confirmed.units, 60 + sold);
    Ok(())
}

/// Through two workers, each with all deadlines: every order is cancelled by one of them.
pub async fn two_stores_that_expire_the_same_deadlines_cancel_each_order_once(subject: &Subject) -> Fact {
    let sales = [subject.sale_due(1_000, MINUTE).await?, subject.sale_due(1_000, MINUTE).await?];
    let mut placed = Vec::new();
    for number in 1..=20 {
        let intents = (0..10).map(|i| intent(sales[i % 2], &format!("buyer-{number}-{i}"), "key", 2));
        let batch = batch(number, intents.collect::<Result<_, _>>()?)?;
        placed.extend(batch.orders().map(|(order, _intent)| order));
        subject.apply(&[batch]).await?;
    }
    let asked = all(subject.store()).await?;
    let expiring = subject.stores.each_ref().map(|store| {
        let (store, asked) = (Arc::clone(store), asked.clone());
        tokio::spawn(async move {
            let mut events = Vec::new();
            for part in [&asked[..10], &asked[5..], &asked] {
                events.extend(deadlines::persist(&*store, part, DUE).await?);
            }
            Ok::<_, StoreError>(events)
        })
    });
    let mut events = Vec::new();
    for expiring in expiring {
        events.extend(orders(&expiring.await??));
    }
    // What one call skipped since the other had it is done by the other, or by the next call.
    events.extend(orders(&subject.expire_all(DUE).await?));
    events.sort_unstable();
    assert_eq!(events, placed);
    for sale in sales {
        assert_eq!(subject.stock(sale).await?, (1_000, 200));
    }
    Ok(())
}

/// Each order is paid through one worker while the other cancels it: it ends in one state, and its units are where that
/// state says.
pub async fn of_payment_and_deadline_one_wins(subject: &Subject) -> Fact {
    let sale = subject.sale_due(500, MINUTE).await?;
    let mut placed = Vec::new();
    for number in 1..=20 {
        placed.extend(subject.place(number, sale, &[3; 6]).await?);
    }
    let asked = all(subject.store()).await?;
    let [cashier, sweeper] = subject.stores.each_ref().map(Arc::clone);
    let paying = tokio::spawn({
        // From the last to the first, so that both meet.
        let placed = placed.clone();
        async move {
            let mut paid = 0_u64;
            for order in placed.into_iter().rev() {
                let pay = change(order, OrderState::Confirmed, OrderState::Paid);
                let changed = lifecycle::persist(&*cashier, &pay).await?;
                paid += u64::from(matches!(changed, Changed::Now(_)));
            }
            Ok::<_, StoreError>(paid)
        }
    });
    let mut expired = Vec::new();
    for part in asked.chunks(3) {
        expired.extend(deadlines::persist(&*sweeper, part, DUE).await?);
    }
    let paid = paying.await??;
    let cancelled = u64::try_from(expired.len())?;
    assert_eq!(paid + cancelled, u64::try_from(placed.len())?, "{paid} paid");
    assert_eq!(all(subject.store()).await?, []);
    assert_eq!(subject.stock(sale).await?, (500 - 3 * paid, 3 * cancelled));
    for order in placed {
        let events = subject.store().order_events(order).await?;
        let found = subject.store().order(order).await?.ok_or("not found")?;
        let last = events.last().map(|event| event.to);
        assert_eq!((events.len(), last, found.version), (1, Some(found.state), 2));
        assert_eq!(found.state != OrderState::Paid, expired.contains(&events[0]));
    }
    Ok(())
}
