//! Units that operators add: on sale once, however often and in whatever order the gateways count them.

use std::{pin::pin, time::Duration};

use flashgate_domain::{Sale, SaleId};
use futures::{
    StreamExt,
    future::{join_all, ready},
};
use tokio::time::timeout;

use super::{
    Fact, Subject,
    scene::{Scene, all_confirmed, crowd, intent, open_window},
};
use crate::{IntentResult, LedgerEvent, LedgerState, Restocked, Totals};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Maximum time until an event arrives.
const EVENT_WAIT: Duration = Duration::from_secs(5);

/// A sale of the first generation, with that many units restocked since its start.
fn restocked(scene: &Scene, id: SaleId, units: u64) -> Result<Sale> {
    let sale = scene.sale(id, 3, 5, open_window()?)?;
    Ok(Sale { restocked: units, saleable: 3 + units, ..sale })
}

/// At once: sold-out marks are dropped.
pub async fn restocked_units_are_on_sale(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(3, 5).await?;
    let batch = scene.deduct(crowd(sale, 3)?).await?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    let another = intent(sale, "ada", "k", 2)?;
    assert_eq!(scene.screen(std::slice::from_ref(&another)).await?, [IntentResult::SoldOut]);
    let before = scene.snapshot(sale).await?;
    let events = scene.ledger().events().await?;
    let Restocked::Done(stock) = scene.ledger().restock(&restocked(&scene, sale, 2)?).await? else {
        return Err("nothing was added".into());
    };
    assert_eq!((stock.sale, stock.available, stock.epoch), (sale, 2, before.epoch + 1));
    // Events of before may come as well.
    let returned = events.filter(|event| ready(matches!(event, LedgerEvent::Returned(_))));
    let told = timeout(EVENT_WAIT, pin!(returned).next()).await?;
    assert_eq!(told, Some(LedgerEvent::Returned(stock)));
    let after = scene.snapshot(sale).await?;
    assert_eq!(after.totals, Totals { restocked: 2, available: 2, ..before.totals });
    assert_eq!((after.open, after.buyers, after.keys), (before.open, before.buyers, before.keys));
    assert_eq!(scene.screen(&[another]).await?, [IntentResult::Pass]);
    Ok(())
}

/// The total is a level: what was counted is not counted again, and an older total is known.
pub async fn a_total_is_counted_once(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(3, 5).await?;
    let five = restocked(&scene, sale, 5)?;
    let results = join_all((0..16).map(|_gateway| scene.ledger().restock(&five))).await;
    let results = results.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    let done = results.iter().filter(|answer| matches!(answer, Restocked::Done(_))).count();
    let already = results.iter().filter(|answer| **answer == Restocked::Already).count();
    assert_eq!((done, already), (1, 15), "{results:?}");
    assert_eq!(scene.ledger().restock(&restocked(&scene, sale, 4)?).await?, Restocked::Already);
    assert_eq!(scene.available(sale).await?, 8);
    assert!(matches!(scene.ledger().restock(&restocked(&scene, sale, 9)?).await?, Restocked::Done(_)));
    assert_eq!(scene.available(sale).await?, 12);
    Ok(())
}

/// The state stays as it is.
pub async fn units_are_counted_in_every_state(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let waiting = scene.unused()?;
    scene.ledger().prepare(&scene.sale(waiting, 3, 5, open_window()?)?).await?;
    let [paused, closed] = [scene.on_sale(3, 5).await?, scene.on_sale(3, 5).await?];
    scene.ledger().pause(paused).await?;
    scene.ledger().close(closed).await?;
    for (sale, state) in
        [(waiting, LedgerState::Prepared), (paused, LedgerState::Paused), (closed, LedgerState::Closed)]
    {
        let answer = scene.ledger().restock(&restocked(&scene, sale, 2)?).await?;
        assert!(matches!(answer, Restocked::Done(_)), "{state:?}: {answer:?}");
        let after = scene.snapshot(sale).await?;
        assert_eq!((after.state, after.totals.available), (state, 5));
    }
    Ok(())
}

/// A sale that is missing, or of another generation.
pub async fn units_of_another_sale_are_not_counted(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (sale, missing) = (scene.on_sale(3, 5).await?, scene.unused()?);
    assert_eq!(scene.ledger().restock(&restocked(&scene, missing, 2)?).await?, Restocked::Missing);
    let next = Sale { generation: 2, ..restocked(&scene, sale, 2)? };
    assert_eq!(scene.ledger().restock(&next).await?, Restocked::OtherGeneration { generation: 1 });
    assert_eq!(scene.snapshot(sale).await?.totals, Totals { initial: 3, available: 3, ..Totals::default() });
    Ok(())
}
