//! Batches that can never be decided, beside others that can.

use flashgate_domain::SaleId;

use super::{
    Fact, Subject,
    scene::{NOW, batch, batch_with_nonce, intent, singles},
};
use crate::{Placed, Rejection};

/// The other batches are decided; nothing of the rejected one is stored.
pub async fn an_unknown_sale_spoils_only_its_batch(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let nowhere = SaleId::new(sale.get() + 1_000)?;
    let poison = batch(2, vec![intent(sale, "ann", "k", 1)?, intent(nowhere, "ann", "k", 1)?])?;
    let chunk = [singles(1, sale, 2)?, poison.clone(), singles(3, sale, 2)?];
    let placed = subject.store().apply(&chunk, NOW).await?;
    assert_eq!(placed[1], Placed::Rejected(Rejection::UnknownSale { sale: nowhere }));
    assert!(matches!((&placed[0], &placed[2]), (Placed::Decided(_), Placed::Decided(_))));
    assert_eq!(subject.saleable(sale).await?, 6);
    assert!(subject.store().order(poison.id().base()).await?.is_none());
    assert_eq!(subject.store().apply(&chunk, NOW).await?, placed, "and again");
    Ok(())
}

/// The first batch keeps the ids.
pub async fn order_ids_of_another_batch_spoil_only_their_batch(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let first = singles(2, sale, 2)?;
    let outcomes = subject.apply(std::slice::from_ref(&first)).await?;
    let twin = batch_with_nonce(2, 7, vec![intent(sale, "zoe", "k", 1)?])?;
    assert_eq!(twin.id().base(), first.id().base());
    let placed = subject.store().apply(&[singles(1, sale, 1)?, twin, first.clone()], NOW).await?;
    assert!(matches!(placed[0], Placed::Decided(_)));
    assert_eq!(placed[1], Placed::Rejected(Rejection::IdsTaken { other: first.id() }));
    assert_eq!(placed[2], Placed::Decided(outcomes[0].clone()));
    assert_eq!(subject.saleable(sale).await?, 7);
    Ok(())
}

/// Exactly one gets the ids.
pub async fn two_new_batches_with_the_same_ids_do_not_both_stand(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let one = batch_with_nonce(1, 1, vec![intent(sale, "ann", "k", 1)?])?;
    let two = batch_with_nonce(1, 2, vec![intent(sale, "bob", "k", 1)?])?;
    let placed = subject.store().apply(&[two, one.clone()], NOW).await?;
    assert_eq!(placed[0], Placed::Rejected(Rejection::IdsTaken { other: one.id() }));
    assert!(matches!(placed[1], Placed::Decided(_)));
    assert_eq!(subject.saleable(sale).await?, 9);
    Ok(())
}
