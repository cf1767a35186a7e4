//! Units that operators add to sales.

use flashgate_domain::{
    Cause, Decision, IdempotencyKey, OperatorName, RestockDraft, SaleId, sale::STOCK_MAX,
};

use super::{
    Broken, Fact, Subject,
    lifecycle::LATER,
    scene::{NOW, decisions, singles},
};
use crate::{OrderStore, Restocked, StoreError};

fn units_for(sale: SaleId, units: u64) -> Result<RestockDraft, Broken> {
    Ok(RestockDraft::new(sale, units, OperatorName::new("Zo\u{eb}")?, Cause::new("a late delivery")?)?)
}

/// Retries as a caller does, until the store answers.
async fn restock(store: &dyn OrderStore, key: &str, draft: &RestockDraft) -> Result<Restocked, Broken> {
    let key = IdempotencyKey::new(key)?;
    loop {
        match store.restock(&key, draft, LATER).await {
            Err(StoreError::Contended(_)) => tokio::task::yield_now().await,
            opinion => return Ok(opinion?),
        }
    }
}

impl Subject {
    /// The units of a sale that are saleable, and that were restocked.
    async fn restocked(&self, sale: SaleId) -> Result<(u64, u64), Broken> {
        let sale = self.find(sale).await?;
        Ok((sale.saleable, sale.restocked))
    }
}

/// And sold like the others.
pub async fn a_restock_adds_its_units_once(subject: &Subject) -> Fact {
    let (store, sale) = (subject.store(), subject.sale(2).await?);
    let sold = decisions(&subject.apply(&[singles(1, sale, 3)?]).await?);
    assert!(sold[2].state().reason().is_some(), "two units for three");
    let three = units_for(sale, 3)?;
    let Restocked::Now(after) = restock(store, "monday", &three).await? else {
        return Err("nothing was added".into());
    };
    assert_eq!(after, subject.find(sale).await?);
    assert_eq!(subject.restocked(sale).await?, (3, 3));
    assert_eq!(restock(store, "monday", &three).await?, Restocked::Before(after));
    assert_eq!(subject.restocked(sale).await?, (3, 3));
    assert_eq!(decisions(&subject.apply(&[singles(2, sale, 3)?]).await?), [Decision::Confirmed; 3]);
    assert!(matches!(restock(store, "tuesday", &three).await?, Restocked::Now(_)));
    assert_eq!(subject.restocked(sale).await?, (3, 6));
    let records = store.restocks(sale).await?;
    let told: Vec<_> =
        records.iter().map(|one| (one.key.as_str(), &one.draft, one.restocked, one.at)).collect();
    assert_eq!(told, [("tuesday", &three, 6, LATER), ("monday", &three, 3, LATER)]);
    Ok(())
}

/// Whatever the other restock was.
pub async fn a_key_of_another_restock_adds_nothing(subject: &Subject) -> Fact {
    let (store, sales) = (subject.store(), [subject.sale(2).await?, subject.sale(2).await?]);
    restock(store, "key", &units_for(sales[0], 3)?).await?;
    for other in [units_for(sales[0], 4)?, units_for(sales[1], 3)?] {
        assert_eq!(restock(store, "key", &other).await?, Restocked::Otherwise);
    }
    assert_eq!(subject.restocked(sales[0]).await?, (5, 3));
    assert_eq!(subject.restocked(sales[1]).await?, (2, 0));
    Ok(())
}

/// A closed sale, one that would have too many units, and one that does not exist.
pub async fn a_restock_that_cannot_be_adds_nothing(subject: &Subject) -> Fact {
    let (store, sale) = (subject.store(), subject.sale(2).await?);
    let rest = units_for(sale, STOCK_MAX - 2)?;
    assert!(matches!(restock(store, "rest", &rest).await?, Restocked::Now(_)));
    assert_eq!(restock(store, "one", &units_for(sale, 1)?).await?, Restocked::TooMany);
    store.close_sale(sale, NOW).await?;
    assert_eq!(restock(store, "one", &units_for(sale, 1)?).await?, Restocked::Closed);
    assert!(matches!(restock(store, "rest", &rest).await?, Restocked::Before(_)), "it was added before");
    assert_eq!(restock(store, "one", &units_for(SaleId::new(999)?, 1)?).await?, Restocked::Missing);
    assert_eq!(subject.restocked(sale).await?, (STOCK_MAX, STOCK_MAX - 2));
    assert_eq!(store.restocks(sale).await?.len(), 1);
    assert_eq!(store.restocks(SaleId::new(999)?).await?, []);
    Ok(())
}

/// A repeated command may go to another worker while the first call is under way.
pub async fn two_stores_with_one_key_restock_once(subject: &Subject) -> Fact {
    let sale = subject.sale(2).await?;
    let [one, other] = &subject.stores;
    for round in 1..=10 {
        let (key, draft) = (format!("round-{round}"), units_for(sale, 5)?);
        let (one, other) = tokio::join!(restock(&**one, &key, &draft), restock(&**other, &key, &draft));
        let answers = [one?, other?];
        let added = answers.iter().filter(|answer| matches!(answer, Restocked::Now(_))).count();
        let known = answers.iter().filter(|answer| matches!(answer, Restocked::Before(_))).count();
        assert_eq!((added, known), (1, 1), "{answers:?}");
        assert_eq!(subject.restocked(sale).await?, (2 + 5 * round, 5 * round));
    }
    Ok(())
}
