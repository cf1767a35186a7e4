//! Chunks that cannot be confirmed as a whole: not enough stock, or a key that is taken.

use flashgate_domain::{CancelReason, Decision, OrderState};

use super::{
    Fact, Subject,
    scene::{batch, decisions, intent, singles},
};

const OUT_OF_STOCK: Decision = Decision::Cancelled(CancelReason::OutOfStock);
const DUPLICATE: Decision = Decision::Cancelled(CancelReason::DuplicateKey);

/// As many orders as there are units, the earliest first.
pub async fn shortage_cancels_only_the_surplus(subject: &Subject) -> Fact {
    let sale = subject.sale(7).await?;
    let chunk = [singles(1, sale, 5)?, singles(2, sale, 5)?];
    let decisions = decisions(&subject.apply(&chunk).await?);
    assert_eq!(decisions, [vec![Decision::Confirmed; 7], vec![OUT_OF_STOCK; 3]].concat());
    assert_eq!(subject.saleable(sale).await?, 0);
    let surplus = chunk[1].id().order(4).ok_or("no order")?;
    let surplus = subject.store().order(surplus).await?.ok_or("not stored")?;
    assert_eq!(surplus.state, OrderState::Cancelled(CancelReason::OutOfStock));
    Ok(())
}

/// An order that fits is confirmed.
pub async fn a_smaller_order_fits_where_a_larger_did_not(subject: &Subject) -> Fact {
    let sale = subject.sale(5).await?;
    let intents = [("ann", 3), ("bob", 3), ("cat", 2)].map(|(buyer, units)| intent(sale, buyer, "k", units));
    let batch = batch(1, intents.into_iter().collect::<Result<_, _>>()?)?;
    let expected = [Decision::Confirmed, OUT_OF_STOCK, Decision::Confirmed];
    assert_eq!(decisions(&subject.apply(&[batch]).await?), expected);
    assert_eq!(subject.saleable(sale).await?, 0);
    Ok(())
}

/// Their orders are confirmed in the same call.
pub async fn shortage_of_one_sale_leaves_the_others_alone(subject: &Subject) -> Fact {
    let (scarce, plenty) = (subject.sale(1).await?, subject.sale(100).await?);
    let batch = batch(
        1,
        vec![intent(scarce, "ann", "k", 2)?, intent(plenty, "ann", "k", 2)?, intent(scarce, "bob", "k", 1)?],
    )?;
    let expected = [OUT_OF_STOCK, Decision::Confirmed, Decision::Confirmed];
    assert_eq!(decisions(&subject.apply(&[batch]).await?), expected);
    assert_eq!([subject.saleable(scarce).await?, subject.saleable(plenty).await?], [0, 98]);
    Ok(())
}

/// So that two workers, or two attempts, decide alike.
pub async fn orders_are_judged_by_id_not_by_arrival(subject: &Subject) -> Fact {
    let sale = subject.sale(2).await?;
    let outcomes = subject.apply(&[singles(2, sale, 2)?, singles(1, sale, 2)?]).await?;
    let expected = [OUT_OF_STOCK, OUT_OF_STOCK, Decision::Confirmed, Decision::Confirmed];
    assert_eq!(decisions(&outcomes), expected, "in the order of the call");
    Ok(())
}

/// As after a ledger that lost its keys accepted a purchase again.
pub async fn a_duplicate_key_is_cancelled_not_sold(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    subject.apply(&[batch(1, vec![intent(sale, "ann", "k", 1)?])?]).await?;
    let again = batch(2, vec![intent(sale, "ann", "k", 1)?, intent(sale, "ann", "other", 1)?])?;
    assert_eq!(decisions(&subject.apply(&[again]).await?), [DUPLICATE, Decision::Confirmed]);
    assert_eq!(subject.saleable(sale).await?, 8);
    Ok(())
}

/// Detected before it is stored.
pub async fn a_duplicate_key_in_one_chunk_is_cancelled_not_sold(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let chunk = [
        batch(1, vec![intent(sale, "ann", "k", 1)?, intent(sale, "ann", "k", 2)?])?,
        batch(2, vec![intent(sale, "ann", "k", 1)?])?,
    ];
    assert_eq!(decisions(&subject.apply(&chunk).await?), [Decision::Confirmed, DUPLICATE, DUPLICATE]);
    assert_eq!(subject.saleable(sale).await?, 9);
    Ok(())
}

/// Each is stored, and its key can be read.
pub async fn a_key_can_be_a_duplicate_any_number_of_times(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    for number in 1..=4 {
        let batch = batch(number, vec![intent(sale, "ann", "k", 1)?])?;
        let order = batch.id().base();
        let expected = if number == 1 { Decision::Confirmed } else { DUPLICATE };
        assert_eq!(decisions(&subject.apply(&[batch]).await?), [expected]);
        let stored = subject.store().order(order).await?.ok_or("not stored")?;
        assert_eq!((stored.intent.key().as_str(), stored.state), ("k", expected.state()));
    }
    Ok(())
}

/// A key belongs to one buyer and one sale.
pub async fn one_key_of_two_buyers_or_two_sales_is_no_duplicate(subject: &Subject) -> Fact {
    let (pens, cups) = (subject.sale(10).await?, subject.sale(10).await?);
    let intents =
        [(pens, "ann"), (pens, "bob"), (cups, "ann")].map(|(sale, buyer)| intent(sale, buyer, "k", 1));
    let batch = batch(1, intents.into_iter().collect::<Result<_, _>>()?)?;
    assert_eq!(decisions(&subject.apply(&[batch]).await?), [Decision::Confirmed; 3]);
    Ok(())
}

/// It keeps replaying the order that first had it.
pub async fn a_key_that_was_out_of_stock_stays_taken(subject: &Subject) -> Fact {
    let sale = subject.sale(1).await?;
    subject.apply(&[batch(1, vec![intent(sale, "ann", "k", 2)?])?]).await?;
    let again = batch(2, vec![intent(sale, "ann", "k", 1)?])?;
    assert_eq!(decisions(&subject.apply(&[again]).await?), [DUPLICATE]);
    assert_eq!(subject.saleable(sale).await?, 1);
    Ok(())
}
