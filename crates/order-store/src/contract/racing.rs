//! Two concurrent workers on one store.

use std::sync::Arc;

use flashgate_domain::{Batch, BatchOutcome, SaleId};

use super::{
    Broken, Fact, Subject,
    scene::{NOW, batch, confirmed_units, decided, intent, singles},
};
use crate::{OrderStore, StoreError};

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
