//! The lifecycle of a sale.

use flashgate_domain::{Decision, IdempotencyKey, OrderId, SaleId, SaleState};

use super::{
    Fact, Subject,
    scene::{NOW, decisions, draft, singles},
};
use crate::{SaleMade, SalePage, Transition};

/// Every field, including non-ASCII text.
pub async fn a_new_sale_is_as_it_was_drafted(subject: &Subject) -> Fact {
    let draft = draft("Füße & 靴 — 👟", 500)?;
    let made = subject.store().create_sale(&draft, NOW).await?;
    assert_eq!((&made.draft, made.state, made.generation), (&draft, SaleState::Created, 0));
    assert_eq!((made.saleable, made.restocked, made.returned), (500, 0, 0));
    assert_eq!(subject.find(made.id).await?, made);
    Ok(())
}

/// Whatever the state of the sale is; without a key, or with another key, each call creates a new sale.
pub async fn a_key_makes_one_sale(subject: &Subject) -> Fact {
    let (store, key) = (subject.store(), IdempotencyKey::new("tonight")?);
    let kettle = draft("A kettle", 5)?;
    let SaleMade::Now(made) = store.create_sale_once(&key, &kettle, NOW).await? else {
        return Err("a new key has made no sale".into());
    };
    store.preheat_sale(made.id, NOW).await?;
    let again = store.create_sale_once(&key, &kettle, NOW).await?;
    assert_eq!(again, SaleMade::Before(subject.find(made.id).await?));
    let other = store.create_sale_once(&key, &draft("A kettle", 6)?, NOW).await?;
    assert_eq!(other, SaleMade::Otherwise(made.id));
    // Keys that differ in case are different.
    let shouted = store.create_sale_once(&IdempotencyKey::new("TONIGHT")?, &kettle, NOW).await?;
    assert!(matches!(&shouted, SaleMade::Now(sale) if sale.id != made.id), "{shouted:?}");
    let [first, second] = [store.create_sale(&kettle, NOW).await?, store.create_sale(&kettle, NOW).await?];
    assert!(first.id != second.id && first.id != made.id);
    Ok(())
}

/// A repeated command may go to another worker while the first call is under way.
pub async fn two_stores_with_one_key_make_one_sale(subject: &Subject) -> Fact {
    let kettle = draft("A kettle", 5)?;
    for round in 0..10 {
        let key = IdempotencyKey::new(format!("round-{round}"))?;
        let [one, other] = &subject.stores;
        let (one, other) = tokio::join!(
            one.create_sale_once(&key, &kettle, NOW),
            other.create_sale_once(&key, &kettle, NOW)
        );
        let id = |made: &SaleMade| match made {
            SaleMade::Now(sale) | SaleMade::Before(sale) => Some(sale.id),
            SaleMade::Otherwise(_) => None,
        };
        let (one, other) = (one?, other?);
        assert_eq!(id(&one), id(&other));
        assert!(id(&one).is_some() && one != other, "{one:?} and {other:?}");
    }
    Ok(())
}

/// The second call finds it done.
pub async fn a_sale_is_preheated_once(subject: &Subject) -> Fact {
    let sale = subject.sale(5).await?;
    for changed in [true, false] {
        let done = subject.store().preheat_sale(sale, NOW).await?.ok_or("not found")?;
        assert_eq!(
            (done.changed, done.sale.state, done.sale.generation),
            (changed, SaleState::Preheating, 1)
        );
    }
    Ok(())
}

/// Not before the preheat, not for another generation, not twice.
pub async fn a_preheat_is_confirmed_for_its_generation_only(subject: &Subject) -> Fact {
    let sale = subject.sale(5).await?;
    let confirm = |generation| subject.store().confirm_preheat(sale, generation, NOW);
    let is = |done: Option<Transition>, changed, state| {
        let done = done.map(|done| (done.changed, done.sale.state));
        assert_eq!(done, Some((changed, state)));
    };
    is(confirm(0).await?, false, SaleState::Created);
    is(confirm(1).await?, false, SaleState::Created);
    subject.store().preheat_sale(sale, NOW).await?;
    is(confirm(2).await?, false, SaleState::Preheating);
    is(confirm(1).await?, true, SaleState::Preheated);
    is(confirm(1).await?, false, SaleState::Preheated);
    assert_eq!(subject.find(sale).await?.generation, 1);
    Ok(())
}

/// Before its ledger is rebuilt; two concurrent operators increment it once.
pub async fn a_preheated_sale_gets_its_next_generation_once(subject: &Subject) -> Fact {
    let sale = subject.sale(10).await?;
    let next = async |generation| -> std::result::Result<_, super::Broken> {
        let transition = subject.store().next_generation(sale, generation, NOW).await?;
        let Transition { sale, changed } = transition.ok_or("the sale is gone")?;
        Ok((sale.state, sale.generation, changed))
    };
    assert_eq!(next(0).await?, (SaleState::Created, 0, false));
    subject.store().preheat_sale(sale, NOW).await?;
    assert_eq!(next(1).await?, (SaleState::Preheating, 1, false));
    subject.store().confirm_preheat(sale, 1, NOW).await?;
    assert_eq!(next(1).await?, (SaleState::Preheated, 2, true));
    assert_eq!(next(1).await?, (SaleState::Preheated, 2, false));
    subject.store().close_sale(sale, NOW).await?;
    assert_eq!(next(2).await?, (SaleState::Closed, 2, false));
    Ok(())
}

/// Closing is final.
pub async fn a_closed_sale_stays_closed(subject: &Subject) -> Fact {
    let sale = subject.sale(5).await?;
    subject.store().preheat_sale(sale, NOW).await?;
    for changed in [true, false] {
        let done = subject.store().close_sale(sale, NOW).await?.ok_or("not found")?;
        assert_eq!((done.changed, done.sale.state), (changed, SaleState::Closed));
    }
    let preheat = subject.store().preheat_sale(sale, NOW).await?.ok_or("not found")?;
    let confirm = subject.store().confirm_preheat(sale, 1, NOW).await?.ok_or("not found")?;
    for done in [preheat, confirm] {
        assert_eq!((done.changed, done.sale.state), (false, SaleState::Closed));
    }
    Ok(())
}

/// They were promised before the sale was closed.
pub async fn a_closed_sale_still_takes_accepted_orders(subject: &Subject) -> Fact {
    let sale = subject.sale(5).await?;
    subject.store().close_sale(sale, NOW).await?;
    assert_eq!(decisions(&subject.apply(&[singles(1, sale, 2)?]).await?), [Decision::Confirmed; 2]);
    assert_eq!(subject.saleable(sale).await?, 3);
    Ok(())
}

/// Page by page.
pub async fn sales_are_listed_by_id_and_state(subject: &Subject) -> Fact {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(subject.sale(1).await?);
    }
    subject.store().close_sale(ids[1], NOW).await?;
    subject.store().preheat_sale(ids[3], NOW).await?;
    let list = async |after_id: u64, size: u32, states: &[SaleState]| {
        let page = SalePage { after_id, size, states: states.to_vec() };
        let sales = subject.store().sales(&page).await?;
        Ok::<Vec<SaleId>, crate::StoreError>(sales.iter().map(|sale| sale.id).collect())
    };
    assert_eq!(list(0, 100, &[]).await?, ids);
    assert_eq!(list(0, 2, &[]).await?, ids[..2]);
    assert_eq!(list(ids[1].get(), 2, &[]).await?, ids[2..4]);
    assert_eq!(list(0, 100, &[SaleState::Preheating, SaleState::Closed]).await?, [ids[1], ids[3]]);
    assert_eq!(list(0, 100, &[SaleState::Preheated]).await?, []);
    Ok(())
}

/// And it is not an error.
pub async fn what_does_not_exist_is_not_found(subject: &Subject) -> Fact {
    let (sale, order) = (SaleId::new(i64::MAX.unsigned_abs())?, OrderId::new(i64::MAX.unsigned_abs())?);
    assert!(subject.store().sale(sale).await?.is_none());
    assert!(subject.store().order(order).await?.is_none());
    assert!(subject.store().preheat_sale(sale, NOW).await?.is_none());
    assert!(subject.store().confirm_preheat(sale, 1, NOW).await?.is_none());
    assert!(subject.store().close_sale(sale, NOW).await?.is_none());
    Ok(())
}

/// A ping.
pub async fn it_answers_with_its_time(subject: &Subject) -> Fact {
    // Milliseconds: between 2020 and 2100.
    let now = subject.store().ping().await?.as_millis();
    assert!((1_577_836_800_000..4_102_444_800_000).contains(&now), "{now}");
    Ok(())
}
