//! Returns of units.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use flashgate_domain::{
    Actor, Batch, CancelReason, Cause, Clock, LedgerId, OrderEvent, OrderState, Timestamp,
};
use flashgate_gateway::{
    buy::sold_out::SoldOutWatch,
    outcomes::{member::Member, returns::Returns},
    sales::{belonging::Belonging, catalogue::Catalogue},
};
use flashgate_ledger::contract::{
    Fact,
    scene::{Scene, all_confirmed, crowd, intent},
};
use flashgate_proto::event::encode_event;
use flashgate_supervision::Supervisor;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::scene::{Messages, NOW, Stage, joining, scene_of, server};

/// The clock of a paused runtime, which begins at [`NOW`].
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        NOW.saturating_add(self.0.elapsed())
    }
}

/// A member of the group that returns units, with messages of the ledger [`LedgerId::MIN`].
struct Returning {
    acknowledged: watch::Receiver<u64>,
    leave: CancellationToken,
    running: JoinHandle<()>,
}

impl Returning {
    fn start(scene: &Scene, catalogue: Arc<Catalogue>, coming: impl IntoIterator<Item = Bytes>) -> Self {
        let (told, acknowledged) = watch::channel(0);
        let messages = Messages { coming: coming.into_iter().collect(), taken: 0, acknowledged: told };
        let sold_out = SoldOutWatch::new(scene.shared(), catalogue, Supervisor::default());
        let returns = Returns::new(scene.shared(), sold_out, Arc::new(Paused(Instant::now())));
        let member = Member::new(returns, Arc::new(Belonging::agreed_on(LedgerId::MIN)));
        let leave = CancellationToken::new();
        let running = tokio::spawn(member.run(joining(messages), leave.clone()));
        Self { acknowledged, leave, running }
    }

    /// So many messages are done.
    fn done(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    async fn until_done(&mut self, messages: u64) -> Fact {
        let wait = self.acknowledged.wait_for(|done| *done == messages);
        timeout(Duration::from_mins(3), wait).await??;
        Ok(())
    }

    async fn end(self) -> Fact {
        self.leave.cancel();
        Ok(self.running.await?)
    }
}

/// The event by which an order gave its units up.
fn cancelled_at(batch: &Batch, place: usize, at: Timestamp) -> OrderEvent {
    let (order, intent) = batch.orders().nth(place).unwrap();
    OrderEvent {
        order,
        batch: batch.id(),
        intent: intent.clone(),
        version: 2,
        from: OrderState::Confirmed,
        to: OrderState::Cancelled(CancelReason::ByBuyer),
        actor: Actor::Buyer,
        cause: Cause::default(),
        at,
    }
}

fn event_body(event: &OrderEvent) -> Bytes {
    encode_event(event, Some(LedgerId::MIN))
}

/// The event overtook the outcome.
#[tokio::test(start_paused = true)]
async fn a_return_is_tried_until_its_order_is_settled() -> Fact {
    let stage = Stage::new().await?;
    let event = event_body(&cancelled_at(&stage.sold, 0, NOW));
    let mut returning = Returning::start(&stage.scene, Arc::clone(&stage.catalogue), [event]);
    stage.watch.observe(stage.stock().await);
    sleep(Duration::from_secs(5)).await;
    assert_eq!((returning.done(), stage.stock().await.available), (0, 0));
    assert!(stage.is_sold_out_for_a_newcomer());
    stage.scene.ledger().settle(&all_confirmed(&stage.sold)).await?;
    returning.until_done(1).await?;
    assert_eq!(
        (stage.stock().await.available, stage.scene.snapshot(stage.sale).await?.totals.released),
        (1, 1)
    );
    assert!(!stage.is_sold_out_for_a_newcomer(), "the gateway that returns units sells them at once");
    returning.end().await
}

/// However long the gateway tries: those behind it are not held up twice.
#[tokio::test(start_paused = true)]
async fn a_return_that_cannot_be_made_is_given_up_by_the_age_of_its_event() -> Fact {
    let scene = scene_of(&server());
    let sale = scene.on_sale(10, 5).await?;
    let (lost, settled) =
        (scene.batch(crowd(sale, 1)?)?, scene.deduct(vec![intent(sale, "ada", "k", 2)?]).await?);
    scene.ledger().settle(&all_confirmed(&settled)).await?;
    let events = [cancelled_at(&lost, 0, NOW), cancelled_at(&settled, 0, NOW)];
    let mut returning = Returning::start(&scene, Arc::default(), events.iter().map(event_body));
    sleep(Duration::from_secs(55)).await;
    assert_eq!((returning.done(), scene.available(sale).await?), (0, 8));
    let began = Instant::now();
    returning.until_done(2).await?;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(scene.available(sale).await?, 10);
    returning.end().await?;

    let old = Timestamp::from_millis(NOW.as_millis() - 61_000);
    let old = event_body(&cancelled_at(&lost, 0, old));
    let mut returning = Returning::start(&scene, Arc::default(), [old]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(returning.done(), 0, "its outcome may be on the way");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(returning.done(), 1, "an old event is given up within seconds");
    returning.until_done(1).await?;
    returning.end().await
}

#[tokio::test(start_paused = true)]
async fn events_of_another_ledger_are_left_alone() -> Fact {
    let scene = scene_of(&server());
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    let event = cancelled_at(&batch, 0, NOW);
    let before = scene.snapshot(sale).await?;
    for foreign in [Some(LedgerId::from_bytes([2; 16])?), None] {
        let coming = [encode_event(&event, foreign), Bytes::from_static(b"\xff")];
        let returning = Returning::start(&scene, Arc::default(), coming);
        sleep(Duration::from_secs(2)).await;
        let ours = foreign.is_none();
        assert_eq!(returning.done() > 0, ours, "one without a ledger is of this deployment's past");
        returning.end().await?;
        assert_eq!(scene.snapshot(sale).await? == before, !ours);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_that_returns_nothing_is_skipped() -> Fact {
    let scene = scene_of(&server());
    let sale = scene.on_sale(10, 5).await?;
    let batch = scene.deduct(crowd(sale, 2)?).await?;
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    let timeout = CancelReason::Timeout;
    let states = [
        (OrderState::Confirmed, OrderState::Paid),
        (OrderState::Paid, OrderState::Shipped),
        (OrderState::Refunding(timeout), OrderState::Refunded(timeout)),
    ];
    let of = |(from, to)| event_body(&OrderEvent { from, to, ..cancelled_at(&batch, 0, NOW) });
    let missing = scene.batch(crowd(scene.unused()?, 1)?)?;
    let coming = states.into_iter().map(of).chain([event_body(&cancelled_at(&missing, 0, NOW))]);
    let before = scene.snapshot(sale).await?;
    let mut returning = Returning::start(&scene, Arc::default(), coming);
    returning.until_done(4).await?;
    assert_eq!(scene.snapshot(sale).await?, before);
    assert_eq!(scene.ledger().snapshot(missing.intents()[0].sale()).await?, None);
    returning.end().await
}
