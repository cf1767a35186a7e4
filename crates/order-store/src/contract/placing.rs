//! Ordinary chunks.

use flashgate_domain::{Decision, OrderState, id::BATCH_INTENTS_MAX};

use super::{
    Fact, Subject,
    scene::{NOW, batch, decisions, intent, singles},
};

/// Confirmed orders, units deducted.
pub async fn a_batch_is_confirmed_and_its_units_are_taken(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let batch = batch(1, vec![intent(sale, "ann", "k1", 2)?, intent(sale, "bob", "k1", 3)?])?;
    let outcomes = subject.apply(std::slice::from_ref(&batch)).await?;
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].batch, batch.id());
    assert_eq!(decisions(&outcomes), [Decision::Confirmed; 2]);
    let listed: Vec<_> = outcomes[0].orders.iter().map(|order| (order.order, &order.intent)).collect();
    assert_eq!(listed, batch.orders().collect::<Vec<_>>());
    assert_eq!(subject.saleable(sale).await?, 5);
    Ok(())
}

/// Many batches of several sales in one call.
pub async fn the_sum_of_a_sale_is_taken_once(subject: &Subject) -> Fact {
    let (pens, cups) = (subject.sale(100).await?, subject.sale(100).await?);
    let chunk = [
        batch(1, vec![intent(cups, "ann", "k1", 2)?, intent(pens, "ann", "k2", 3)?])?,
        batch(2, vec![intent(pens, "bob", "k1", 5)?])?,
        batch(3, vec![intent(cups, "bob", "k2", 7)?])?,
    ];
    assert_eq!(decisions(&subject.apply(&chunk).await?), [Decision::Confirmed; 4]);
    assert_eq!([subject.saleable(pens).await?, subject.saleable(cups).await?], [92, 91]);
    Ok(())
}

/// Sizes around those of prepared statements.
pub async fn a_chunk_of_any_size_is_stored_whole(subject: &Subject) -> Fact {
    let sale = subject.sale(10_000).await?;
    let mut number = 0;
    let mut taken = 0;
    for batches in [1, 2, 3, 5, 17] {
        for orders in [1, 3, 63] {
            let mut chunk = Vec::new();
            for _ in 0..batches {
                number += 1;
                chunk.push(singles(number, sale, orders)?);
            }
            taken += subject.apply(&chunk).await?.iter().map(|batch| batch.orders.len()).sum::<usize>();
            for order in chunk.iter().flat_map(|batch| batch.orders()).map(|(order, _)| order) {
                assert!(subject.store().order(order).await?.is_some(), "{order}");
            }
        }
    }
    assert_eq!(usize::try_from(10_000 - subject.saleable(sale).await?)?, taken);
    Ok(())
}

/// 1,024 orders, each with the longest buyer id and the longest key.
pub async fn a_full_batch_of_the_longest_names_is_stored(subject: &Subject) -> Fact {
    let sale = subject.sale(10_000).await?;
    let key = "~".repeat(255);
    let intents = (0..BATCH_INTENTS_MAX).map(|i| intent(sale, &format!("{i:!>128}"), &key, 1));
    let batch = batch(1, intents.collect::<Result<_, _>>()?)?;
    let first = subject.apply(std::slice::from_ref(&batch)).await?;
    assert_eq!(decisions(&first), vec![Decision::Confirmed; BATCH_INTENTS_MAX]);
    assert_eq!(subject.apply(&[batch]).await?, first, "read back");
    assert_eq!(subject.saleable(sale).await?, 10_000 - 1_024);
    Ok(())
}

/// Buyers and keys are compared byte by byte.
pub async fn names_that_differ_in_case_are_different(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let intents =
        [("ann", "key"), ("Ann", "key"), ("ann", "Key")].map(|(buyer, key)| intent(sale, buyer, key, 1));
    let batch = batch(1, intents.into_iter().collect::<Result<_, _>>()?)?;
    assert_eq!(decisions(&subject.apply(&[batch]).await?), [Decision::Confirmed; 3]);
    Ok(())
}

/// A float would round them.
pub async fn order_ids_above_2_to_the_53_survive(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let batch = singles(200 * 365 * 86_400_000 / 10, sale, 3)?;
    let last = batch.orders().last().ok_or("no order")?.0;
    assert!(last.get() > 1 << 53 && last.get() % 2 == 0, "{last}");
    let odd = batch.id().order(1).ok_or("no order")?;
    subject.apply(&[batch]).await?;
    for order in [odd, last] {
        assert_eq!(subject.store().order(order).await?.ok_or("not found")?.id, order);
    }
    Ok(())
}

/// With all of its fields.
pub async fn an_order_is_found_by_its_id(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let wanted = intent(sale, "ann", "k1", 2)?;
    let batch = batch(1, vec![intent(sale, "bob", "k1", 1)?, wanted.clone()])?;
    let order = batch.id().order(1).ok_or("no order")?;
    subject.apply(std::slice::from_ref(&batch)).await?;
    let found = subject.store().order(order).await?.ok_or("not found")?;
    assert_eq!((found.id, &found.intent, found.state), (order, &wanted, OrderState::Confirmed));
    assert_eq!((found.batch, found.created_at), (batch.id(), NOW));
    Ok(())
}

/// And no outcome.
pub async fn no_batch_is_no_work(subject: &Subject) -> Fact {
    assert!(subject.apply(&[]).await?.is_empty());
    Ok(())
}
