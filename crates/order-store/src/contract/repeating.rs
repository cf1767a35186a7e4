//! Repeated batches change nothing and get the same answer.

use flashgate_domain::{CancelReason, Decision};

use super::{
    Fact, Subject,
    scene::{batch, decisions, intent, singles},
};

/// As after a crash before the offset commit.
pub async fn a_batch_applied_twice_is_one_batch(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let chunk = [singles(1, sale, 3)?, singles(2, sale, 2)?];
    let first = subject.apply(&chunk).await?;
    assert_eq!(subject.apply(&chunk).await?, first);
    assert_eq!(subject.saleable(sale).await?, 5);
    Ok(())
}

/// As after a commit that was sent twice.
pub async fn a_batch_twice_in_one_chunk_is_one_batch(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let (one, two) = (singles(1, sale, 3)?, singles(2, sale, 2)?);
    let outcomes = subject.apply(&[one.clone(), two, one]).await?;
    assert_eq!(outcomes.len(), 3);
    assert_eq!(outcomes[0], outcomes[2]);
    assert_eq!(subject.saleable(sale).await?, 5);
    Ok(())
}

/// As after another worker took over a queue.
pub async fn a_decided_batch_among_new_ones_gets_its_outcome_again(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let (old, new) = (singles(2, sale, 3)?, [singles(1, sale, 1)?, singles(3, sale, 1)?]);
    let first = subject.apply(std::slice::from_ref(&old)).await?;
    let [before, after] = new;
    let outcomes = subject.apply(&[before, old, after]).await?;
    assert_eq!(outcomes[1], first[0]);
    assert_eq!(decisions(&outcomes), [Decision::Confirmed; 5]);
    assert_eq!(subject.saleable(sale).await?, 5);
    Ok(())
}

/// The first decision is final.
pub async fn a_cancelled_order_stays_cancelled_when_its_batch_is_repeated(subject: &Subject) -> Fact {
    let sale = subject.sale(3).await?;
    let chunk = [
        batch(1, vec![intent(sale, "ann", "k", 1)?, intent(sale, "ann", "k", 1)?])?,
        batch(2, vec![intent(sale, "bob", "k", 3)?])?,
    ];
    let first = subject.apply(&chunk).await?;
    let expected = [
        Decision::Confirmed,
        Decision::Cancelled(CancelReason::DuplicateKey),
        Decision::Cancelled(CancelReason::OutOfStock),
    ];
    assert_eq!(decisions(&first), expected);
    for _ in 0..3 {
        assert_eq!(subject.apply(&chunk).await?, first);
    }
    assert_eq!(subject.saleable(sale).await?, 2);
    Ok(())
}
