//! Payment deadlines: a batch has those of its confirmed orders, until they are expired.

use std::time::Duration;

use flashgate_domain::{CancelReason, Decision, OrderEvent, OrderId, Timestamp};

use super::{
    Broken, Fact, Subject,
    scene::{NOW, batch, decided, decisions, draft_due, intent, singles},
};
use crate::{DEADLINE_PAGE_MAX, OrderStore, PaymentDeadline, StoreError};

/// The time to pay in most sales here, and the time at which it has passed.
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const DUE: Timestamp = Timestamp::from_millis(NOW.as_millis() + 60_000);

pub(super) fn after(pay_within: Duration) -> Timestamp {
    NOW.saturating_add(pay_within)
}

pub(super) fn deadline(at: Timestamp, order: OrderId) -> PaymentDeadline {
    PaymentDeadline { at, first_order: order.base() }
}

pub(super) fn orders(events: &[OrderEvent]) -> Vec<OrderId> {
    events.iter().map(|event| event.order).collect()
}

/// All deadlines, page by page.
pub(super) async fn all(store: &dyn OrderStore) -> Result<Vec<PaymentDeadline>, StoreError> {
    let mut found = Vec::new();
    loop {
        let page = store
            .deadlines(found.last().copied(), Timestamp::from_millis(u64::MAX), DEADLINE_PAGE_MAX)
            .await?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page);
    }
}

/// Retries as a caller does, until the store answers.
pub(super) async fn persist(
    store: &dyn OrderStore,
    deadlines: &[PaymentDeadline],
    now: Timestamp,
) -> Result<Vec<OrderEvent>, StoreError> {
    loop {
        match store.expire(deadlines, now).await {
            Err(StoreError::Contended(_)) => tokio::task::yield_now().await,
            opinion => return opinion,
        }
    }
}

impl Subject {
    /// Expires all deadlines.
    pub(super) async fn expire_all(&self, now: Timestamp) -> Result<Vec<OrderEvent>, Broken> {
        Ok(persist(self.store(), &all(self.store()).await?, now).await?)
    }
}

/// They are never due, and the look-up tells it.
pub async fn orders_that_are_free_or_of_a_sale_without_deadline_are_never_due(subject: &Subject) -> Fact {
    for (number, price_minor, pay_within) in [(1, 0, MINUTE), (2, 1, Duration::ZERO), (3, 0, Duration::ZERO)]
    {
        let sale = subject.store().create_sale(&draft_due(5, price_minor, pay_within)?, NOW).await?.id;
        let order = subject.place(number, sale, &[1]).await?[0];
        assert_eq!(subject.store().order(order).await?.ok_or("not found")?.pay_by, None);
        assert_eq!(all(subject.store()).await?, []);
        assert_eq!(subject.store().expire(&[deadline(DUE, order)], DUE).await?, []);
        assert_eq!(subject.stock(sale).await?, (4, 0));
    }
    Ok(())
}

/// Each order at its own time, in one batch; equal times are one deadline.
pub async fn a_batch_has_a_deadline_for_each_time_to_pay(subject: &Subject) -> Fact {
    let (short, long) = (subject.sale_due(9, MINUTE).await?, subject.sale_due(9, MINUTE * 2).await?);
    let same = subject.sale_due(9, MINUTE).await?;
    let never = subject.sale_due(9, Duration::ZERO).await?;
    let sales = [long, short, never, same, short];
    let intents = sales.iter().zip(["ann", "bob", "cat", "dan", "eve"]);
    let intents = intents.map(|(sale, buyer)| intent(*sale, buyer, "k", 1)).collect::<Result<_, _>>()?;
    let placed = batch(1, intents)?;
    subject.apply(std::slice::from_ref(&placed)).await?;
    let ids: Vec<OrderId> = placed.orders().map(|(order, _intent)| order).collect();
    let [first, second] = [MINUTE, MINUTE * 2].map(|within| deadline(after(within), ids[0]));
    assert_eq!(all(subject.store()).await?, [first, second]);
    for (order, within) in ids.iter().zip([Some(2), Some(1), None, Some(1), Some(1)]) {
        let pay_by = subject.store().order(*order).await?.ok_or("not found")?.pay_by;
        assert_eq!(pay_by, within.map(|minutes| after(MINUTE * minutes)));
    }
    let events = subject.store().expire(&[first, second], DUE).await?;
    assert_eq!(orders(&events), [ids[1], ids[3], ids[4]]);
    assert_eq!(all(subject.store()).await?, [second]);
    assert_eq!(orders(&subject.store().expire(&[first, second], second.at).await?), [ids[0]]);
    for (sale, stock) in [(short, (9, 2)), (long, (9, 1)), (same, (9, 1)), (never, (8, 0))] {
        assert_eq!(subject.stock(sale).await?, stock, "of sale {sale}");
    }
    assert_eq!(all(subject.store()).await?, []);
    Ok(())
}

/// They never had units.
pub async fn orders_that_were_cancelled_when_they_were_placed_have_no_deadline(subject: &Subject) -> Fact {
    let sale = subject.sale_due(1, MINUTE).await?;
    let other = subject.sale_due(9, MINUTE * 2).await?;
    let sold = subject.place(1, sale, &[1]).await?[0];
    let (short, again) = (intent(sale, "cat", "k", 1)?, intent(sale, "buyer-1-0", "key", 1)?);
    let mixed = batch(2, vec![short, again, intent(other, "cat", "k", 1)?])?;
    let expected = [
        Decision::Cancelled(CancelReason::OutOfStock),
        Decision::Cancelled(CancelReason::DuplicateKey),
        Decision::Confirmed,
    ];
    assert_eq!(decisions(&subject.apply(std::slice::from_ref(&mixed)).await?), expected);
    let first = deadline(DUE, sold);
    let confirmed = deadline(after(MINUTE * 2), mixed.id().base());
    assert_eq!(all(subject.store()).await?, [first, confirmed], "of confirmed orders");
    let events = subject.expire_all(confirmed.at).await?;
    assert_eq!(orders(&events), [sold, mixed.id().order(2).ok_or("no order")?]);
    assert_eq!((subject.stock(sale).await?, subject.stock(other).await?), ((1, 1), (9, 1)));
    Ok(())
}

/// Neither while it is stored nor after it has expired.
pub async fn a_repeated_batch_has_no_second_deadline(subject: &Subject) -> Fact {
    let sale = subject.sale_due(2, MINUTE).await?;
    let placed = singles(1, sale, 3)?;
    let chunk = std::slice::from_ref(&placed);
    let first = subject.apply(chunk).await?;
    let only = [deadline(DUE, placed.id().base())];
    for repeated in 0..4 {
        let store = &subject.stores[repeated % 2];
        let later = after(Duration::from_secs(10));
        let new = singles(2 + u64::try_from(repeated)?, subject.sale_due(9, Duration::ZERO).await?, 1)?;
        assert_eq!(decided(store.apply(&[placed.clone(), new], later).await?)?[..1], first);
        assert_eq!(all(&**store).await?, only[repeated / 2..], "after {repeated} repetitions");
        if repeated == 1 {
            assert_eq!(store.expire(&only, DUE).await?.len(), 2);
        }
    }
    assert_eq!(subject.stock(sale).await?, (2, 2));
    Ok(())
}

/// In ascending order, each once.
pub async fn deadlines_come_page_by_page(subject: &Subject) -> Fact {
    let mut expected = Vec::new();
    for (number, seconds) in [(1, 30), (2, 10), (3, 20), (4, 20), (5, 20), (6, 40)] {
        let within = Duration::from_secs(seconds);
        let sale = subject.sale_due(9, within).await?;
        expected.push(deadline(after(within), subject.place(number, sale, &[1; 2]).await?[0]));
    }
    expected.sort_unstable();
    for until in 0..=6 {
        let until_at =
            expected.get(until).map_or(DUE, |next| next.at.saturating_sub(Duration::from_millis(1)));
        let due: Vec<_> = expected.iter().copied().filter(|deadline| deadline.at <= until_at).collect();
        for size in [1, 2, 3, 4, 10, u32::MAX] {
            let mut found: Vec<PaymentDeadline> = Vec::new();
            loop {
                let page = subject.store().deadlines(found.last().copied(), until_at, size).await?;
                assert!(page.len() <= usize::try_from(size)?);
                if page.is_empty() {
                    break;
                }
                found.extend(page);
            }
            assert_eq!(found, due, "{size} deadlines a page");
        }
    }
    assert_eq!(subject.store().deadlines(None, DUE, 0).await?, []);
    Ok(())
}
