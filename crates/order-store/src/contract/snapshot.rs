//! The sums for the comparison with the ledger are those of the orders, at one moment.

use flashgate_domain::{
    Timestamp,
    audit::{Amount, BatchSums, Sums},
};

use super::{
    Fact, Subject,
    scene::{NOW, batch, batch_made_at, batch_with_nonce, intent, singles},
};
use crate::{BUYER_PAGE_MAX, BatchPage, BuyerPage, OutcomePage};

const fn amount(orders: u64, units: u64) -> Amount {
    Amount { orders, units }
}

/// By the decision when they were placed.
pub async fn the_snapshot_sums_the_orders_of_the_sale(subject: &Subject) -> Fact {
    let (sale, other) = (subject.sale(5).await?, subject.sale(100).await?);
    let mixed = batch(
        1,
        vec![
            intent(sale, "ann", "k", 2)?,
            intent(other, "ann", "k", 7)?,
            intent(sale, "bob", "k", 3)?,
            intent(sale, "cyd", "k", 1)?,
            intent(sale, "ann", "k", 4)?,
        ],
    )?;
    let later = singles(2, sale, 2)?;
    subject.apply(std::slice::from_ref(&mixed)).await?;
    subject.apply(&[later.clone(), singles(3, other, 3)?]).await?;

    let unknown = batch_with_nonce(1, 77, vec![intent(sale, "eve", "k", 1)?])?;
    let asked = [mixed.id(), unknown.id(), batch(9, vec![intent(sale, "eve", "k", 1)?])?.id()];
    let snapshot = subject.store().snapshot(sale, &asked).await?.ok_or("the sale is gone")?;
    assert_eq!((snapshot.initial, snapshot.saleable, snapshot.restocked, snapshot.returned), (5, 0, 0, 0));
    let of_mixed = Sums {
        pending: amount(0, 0),
        confirmed: amount(2, 5),
        written_off: amount(1, 1),
        returned: amount(1, 4),
    };
    assert_eq!(snapshot.orders, Sums { written_off: amount(3, 3), ..of_mixed });
    assert_eq!(snapshot.decided, [BatchSums { batch: mixed.id(), sums: of_mixed }], "and no other batch");
    let of_other = subject.store().snapshot(other, &[later.id()]).await?.ok_or("the sale is gone")?;
    assert_eq!(of_other.orders.confirmed, amount(4, 10));
    let nothing = BatchSums { batch: later.id(), sums: Sums::default() };
    assert_eq!(of_other.decided, [nothing], "decided, but of another sale");
    assert!(subject.store().snapshot(flashgate_domain::SaleId::new(999_999)?, &[]).await?.is_none());
    Ok(())
}

/// `saleable = initial + restocked + returned - confirmed`, also while chunks are applied.
pub async fn the_snapshot_is_consistent_while_chunks_are_applied(subject: &Subject) -> Fact {
    let sale = subject.sale(10_000).await?;
    let [writer, reader] = &subject.stores;
    let writing = async {
        for number in 1..=60 {
            writer.apply(&[singles(number, sale, 7)?], NOW).await?;
        }
        Ok::<_, super::Broken>(())
    };
    let reading = async {
        let mut seen = Vec::new();
        while seen.last() != Some(&420) {
            let snapshot = reader.snapshot(sale, &[]).await?.ok_or("the sale is gone")?;
            assert_eq!(snapshot.saleable, snapshot.initial - snapshot.orders.confirmed.units, "{snapshot:?}");
            seen.push(snapshot.orders.confirmed.units);
        }
        assert!(seen.is_sorted());
        Ok::<_, super::Broken>(())
    };
    let (written, read) = tokio::join!(writing, reading);
    written.and(read)
}

/// All of them, latest first, each with its share of the sale.
pub async fn batches_are_listed_page_by_page(subject: &Subject) -> Fact {
    let (sale, other) = (subject.sale(100).await?, subject.sale(100).await?);
    let chunk = [singles(1, sale, 3)?, singles(2, other, 2)?, singles(3, sale, 1)?];
    subject.apply(&chunk).await?;
    let mut page = BatchPage { sale, before: None, size: 2 };
    let first = subject.store().batches(&page).await?;
    let listed = |found: &[flashgate_domain::audit::DecidedBatch]| {
        let each = |batch: &flashgate_domain::audit::DecidedBatch| {
            (batch.of_sale.batch, batch.orders, batch.of_sale.sums.confirmed.units)
        };
        found.iter().map(each).collect::<Vec<_>>()
    };
    let [one, two, three] = chunk.each_ref().map(flashgate_domain::Batch::id);
    assert_eq!(listed(&first), [(three, 1, 1), (two, 2, 0)]);
    page.before = first.last().map(|batch| batch.of_sale.batch.base());
    assert_eq!(listed(&subject.store().batches(&page).await?), [(one, 3, 3)]);
    page.before = Some(one.base());
    assert_eq!(subject.store().batches(&page).await?, []);
    Ok(())
}

/// All that have orders of the sale, whole, each once.
pub async fn outcomes_are_listed_page_by_page(subject: &Subject) -> Fact {
    let (sale, other) = (subject.sale(100).await?, subject.sale(100).await?);
    let both = batch(4, vec![intent(other, "ann", "k", 1)?, intent(sale, "ann", "k", 2)?])?;
    let chunk =
        [singles(1, sale, 3)?, singles(2, other, 2)?, singles(3, sale, 1)?, both, singles(5, sale, 1)?];
    let decided = subject.apply(&chunk).await?;
    let expected: Vec<_> = [0, 2, 3, 4].into_iter().filter_map(|at| decided.get(at)).collect();
    for orders_max in [1, 3, 4, 5, 100] {
        let mut page = OutcomePage { sale, after: None, orders_max };
        let mut found = Vec::new();
        loop {
            let listed = subject.store().outcomes(&page).await?.ok_or("the sale is gone")?;
            found.extend(listed.outcomes);
            let Some(next) = listed.next else { break };
            assert!(page.after.is_none_or(|after| after < next), "the next page follows");
            page.after = Some(next);
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{orders_max} orders a page");
    }
    let missing = flashgate_domain::SaleId::new(999_999)?;
    let page = OutcomePage { sale: missing, after: None, orders_max: 1 };
    assert_eq!(subject.store().outcomes(&page).await?, None);
    Ok(())
}

/// A gateway's clock can have been wrong by any time: the times in ids do not prove that an order exists.
pub async fn orders_with_ids_of_any_time_are_in_the_snapshot(subject: &Subject) -> Fact {
    let (sale, other) = (subject.sale(100).await?, subject.sale(100).await?);
    let hours = |hours: u64| hours * 3_600_000;
    let earlier = Timestamp::from_millis(NOW.as_millis() - hours(26));
    let later = Timestamp::from_millis(NOW.as_millis() + hours(24 * 365));
    // Between those two, so that a range of ids alone does not identify the sale of an order.
    let neighbour = singles(1, other, 2)?;
    let (early, late) = (vec![intent(sale, "ann", "k", 2)?], vec![intent(sale, "bob", "k", 3)?]);
    let chunk = [batch_made_at(earlier, 1, early)?, neighbour, batch_made_at(later, 2, late)?];
    let decided = subject.apply(&chunk).await?;
    let [first, _neighbour, last] = chunk.each_ref().map(flashgate_domain::Batch::id);

    let snapshot = subject.store().snapshot(sale, &[first, last]).await?.ok_or("the sale is gone")?;
    assert_eq!((snapshot.counted, snapshot.orders.confirmed), (2, amount(2, 5)));
    assert_eq!(snapshot.saleable, snapshot.initial - snapshot.orders.confirmed.units);
    assert_eq!(snapshot.decided.len(), 2);
    let of_other = subject.store().snapshot(other, &[]).await?.ok_or("the sale is gone")?;
    assert_eq!((of_other.counted, of_other.orders.confirmed), (2, amount(2, 2)));
    let page = OutcomePage { sale, after: None, orders_max: 100 };
    let listed = subject.store().outcomes(&page).await?.ok_or("the sale is gone")?.outcomes;
    assert_eq!(listed.iter().collect::<Vec<_>>(), [&decided[0], &decided[2]]);
    let page = BatchPage { sale, before: None, size: 10 };
    assert_eq!(subject.store().batches(&page).await?.len(), 3);
    Ok(())
}

/// No order, no page.
pub async fn a_sale_without_orders_has_an_empty_snapshot(subject: &Subject) -> Fact {
    let (sale, other) = (subject.sale(7).await?, subject.sale(100).await?);
    subject.apply(&[singles(1, other, 2)?]).await?;
    let snapshot = subject.store().snapshot(sale, &[]).await?.ok_or("the sale is gone")?;
    assert_eq!((snapshot.saleable, snapshot.counted, snapshot.orders), (7, 0, Sums::default()));
    let page = OutcomePage { sale, after: None, orders_max: 100 };
    let listed = subject.store().outcomes(&page).await?.ok_or("the sale is gone")?;
    assert_eq!((listed.outcomes.len(), listed.next), (0, None));
    Ok(())
}

/// On every call, and only under its own id.
pub async fn a_decided_batch_has_its_outcome_on_every_call(subject: &Subject) -> Fact {
    let sale = subject.sale(3).await?;
    let chunk = batch(1, vec![intent(sale, "ann", "k", 2)?, intent(sale, "bob", "k", 2)?])?;
    assert_eq!(subject.store().outcome(chunk.id()).await?, None);
    let decided = subject.apply(std::slice::from_ref(&chunk)).await?;
    assert_eq!(subject.store().outcome(chunk.id()).await?.as_ref(), decided.first());
    let other = batch_with_nonce(1, 5, vec![intent(sale, "ann", "k", 2)?])?;
    assert_eq!(subject.store().outcome(other.id()).await?, None);
    Ok(())
}

/// By ascending id, each once, with the units that were not cancelled.
pub async fn buyers_are_listed_page_by_page_with_what_they_hold(subject: &Subject) -> Fact {
    let (sale, other) = (subject.sale(8).await?, subject.sale(100).await?);
    let mixed = vec![
        intent(sale, "dan", "k", 2)?,
        intent(other, "eve", "k", 7)?,
        intent(sale, "Bob", "k", 3)?,
        intent(sale, "ann", "k", 1)?,
        intent(sale, "dan", "again", 1)?,
    ];
    // Dan's key has an order already; there are not enough units for Bob and Cyd.
    let later = vec![
        intent(sale, "dan", "k", 1)?,
        intent(sale, "bob", "k", 1)?,
        intent(sale, "bob", "more", 2)?,
        intent(sale, "cyd", "k", 5)?,
    ];
    subject.apply(&[batch(1, mixed)?]).await?;
    subject.apply(&[batch(2, later)?, singles(3, other, 2)?]).await?;
    let expected = [("Bob", 3), ("ann", 1), ("bob", 1), ("cyd", 0), ("dan", 3)];
    for size in [1, 2, 3, 4, 5, 6, BUYER_PAGE_MAX + 1] {
        let mut page = BuyerPage { sale, after: None, size };
        let mut found = Vec::new();
        loop {
            let listed = subject.store().buyers(&page).await?;
            assert!(listed.len() <= usize::try_from(size)?, "{} in a page of {size}", listed.len());
            let Some(last) = listed.last() else { break };
            page.after = Some(last.buyer.clone());
            found.extend(listed.iter().map(|buyer| (buyer.buyer.as_str().to_owned(), buyer.units)));
        }
        let found: Vec<_> = found.iter().map(|(buyer, units)| (buyer.as_str(), *units)).collect();
        assert_eq!(found, expected, "{size} buyers a page");
    }
    let page = BuyerPage { sale: flashgate_domain::SaleId::new(999_999)?, after: None, size: 1 };
    assert_eq!(subject.store().buyers(&page).await?, []);
    Ok(())
}
