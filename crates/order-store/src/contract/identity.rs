//! The identity of the store, and the registered ledger.

use flashgate_domain::LedgerId;

use super::{Fact, Subject};
use crate::{Registration, StoreIdentity};

/// For every worker, at any time.
pub async fn the_store_has_one_identity(subject: &Subject) -> Fact {
    let [one, other] = &subject.stores;
    let identity = one.identity().await?;
    assert_eq!(identity.ledger, None, "none is registered");
    assert_eq!(other.identity().await?, identity);
    subject.sale(5).await?;
    assert_eq!(one.identity().await?, identity);
    Ok(())
}

/// The first registration stays, and the same ledger gets `Same` on every further call.
pub async fn a_ledger_is_registered_once(subject: &Subject) -> Fact {
    let [one, other] = &subject.stores;
    let [first, second] = [1, 2].map(|byte| LedgerId::from_bytes([byte; 16]));
    let (first, second) = (first?, second?);
    let store = one.identity().await?.store;
    assert_eq!(one.register_ledger(first).await?, Registration::Registered);
    assert_eq!(other.register_ledger(second).await?, Registration::Other(first));
    for asking in [one, other] {
        assert_eq!(asking.register_ledger(first).await?, Registration::Same);
        assert_eq!(asking.identity().await?, StoreIdentity { store, ledger: Some(first) });
    }
    Ok(())
}

/// Two concurrent ledgers get the same answer about which one is registered.
pub async fn of_two_ledgers_at_once_one_is_registered(subject: &Subject) -> Fact {
    let [one, other] = &subject.stores;
    let ids = (LedgerId::from_bytes([1; 16])?, LedgerId::from_bytes([2; 16])?);
    let (first, second) = tokio::join!(one.register_ledger(ids.0), other.register_ledger(ids.1));
    let answers = (first?, second?);
    let first_won = (Registration::Registered, Registration::Other(ids.0));
    let second_won = (Registration::Other(ids.1), Registration::Registered);
    assert!(answers == first_won || answers == second_won, "{answers:?}");
    Ok(())
}
