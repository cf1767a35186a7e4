//! Tests of sales, and of reading records.

use std::time::Duration;

use flashgate_domain::{BatchId, CancelReason, Decision, OrderState};
use futures::StreamExt;
use tokio::time::timeout;

use super::{
    Fact, Subject,
    scene::{Scene, all_confirmed, cancelled, crowd, intent, open_window, outcome},
};
use crate::{
    Activated, IntentResult, LedgerEvent, LedgerOrder, LedgerState, LogEntry, LogStatus, OpenBatch, Prepared,
    SaleStock,
};

/// Maximum time until an event arrives.
const EVENT_WAIT: Duration = Duration::from_secs(5);

/// Every gateway prepares every sale; the first call counts.
pub async fn preparing_twice_changes_nothing(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.unused()?, scene.ledger());
    let sale = scene.sale(id, 10, 5, open_window()?)?;
    assert_eq!(ledger.prepare(&sale).await?, Prepared::Created);
    assert_eq!(ledger.prepare(&sale).await?, Prepared::Waiting { generation: 1 });
    assert_eq!(ledger.activate(id, 1).await?, Activated::Active);
    assert_eq!(ledger.activate(id, 1).await?, Activated::Active);
    scene.deduct(crowd(id, 3)?).await?;
    let other = scene.sale(id, 99, 9, open_window()?)?;
    assert_eq!(ledger.prepare(&other).await?, Prepared::Active { generation: 1 });
    assert_eq!(scene.available(id).await?, 7);
    Ok(())
}

/// An operator rebuilds a lost sale; a gateway does not recreate it.
pub async fn a_missing_sale_is_not_recreated_by_activate(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.unused()?, scene.ledger());
    assert_eq!(ledger.activate(id, 1).await?, Activated::Missing);
    ledger.pause(id).await?;
    ledger.close(id).await?;
    assert_eq!(ledger.snapshot(id).await?, None);
    assert_eq!(scene.screen(&crowd(id, 1)?).await?, [IntentResult::Missing]);
    Ok(())
}

/// The generation that the order store confirmed, and no other.
pub async fn activation_is_for_one_generation(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (id, ledger) = (scene.unused()?, scene.ledger());
    ledger.prepare(&scene.sale(id, 10, 5, open_window()?)?).await?;
    assert_eq!(ledger.activate(id, 2).await?, Activated::OtherGeneration { generation: 1 });
    assert_eq!(scene.snapshot(id).await?.state, LedgerState::Prepared);
    Ok(())
}

/// Only a rebuild ends a pause.
pub async fn a_paused_sale_is_not_activated(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    scene.ledger().pause(sale).await?;
    scene.ledger().pause(sale).await?;
    assert_eq!(scene.ledger().activate(sale, 1).await?, Activated::Paused);
    assert_eq!(scene.snapshot(sale).await?.state, LedgerState::Paused);
    Ok(())
}

/// Closing is final.
pub async fn a_closed_sale_is_not_activated_nor_paused(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    scene.ledger().close(sale).await?;
    scene.ledger().close(sale).await?;
    assert_eq!(scene.ledger().activate(sale, 1).await?, Activated::Closed);
    scene.ledger().pause(sale).await?;
    assert_eq!(scene.snapshot(sale).await?.state, LedgerState::Closed);
    Ok(())
}

/// Through its batch: an order has no entry of its own.
pub async fn an_order_is_found_by_its_id(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let other = scene.sell(scene.unused_of(scene.shard(sale))?, 10, 5).await?;
    let batch = scene.deduct(vec![intent(sale, "ada", "k", 2)?, intent(other, "bob", "k", 3)?]).await?;
    let of_bob = intent(other, "bob", "k", 3)?.buyer_digest();
    let [first, second, beyond] =
        [0, 1, 2].map(|place| batch.id().order(place)).map(|order| order.ok_or("a place"));
    let found = scene.ledger().order(second?).await?;
    let expected = LedgerOrder { sale: other, buyer: of_bob, quantity: 3, state: OrderState::Pending };
    assert_eq!(found, Some(expected));
    let decided = outcome(&batch, |place| match place {
        0 => cancelled(CancelReason::OutboundFailed),
        _ => Decision::Confirmed,
    });
    scene.ledger().settle(&decided).await?;
    let states = [scene.ledger().order(first?).await?, scene.ledger().order(second?).await?];
    let expected = [OrderState::Cancelled(CancelReason::OutboundFailed), OrderState::Confirmed];
    assert_eq!(states.map(|order| order.map(|order| order.state)), expected.map(Some));
    assert_eq!(scene.ledger().order(beyond?).await?, None);
    assert_eq!(scene.ledger().order(scene.batch_id(sale)?.base()).await?, None, "never deducted");
    Ok(())
}

/// With the share of this sale in each, and no other.
pub async fn a_snapshot_lists_the_open_batches_of_the_sale(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(100, 50).await?;
    let other = scene.sell(scene.unused_of(scene.shard(sale))?, 100, 50).await?;
    let first = scene.deduct(vec![intent(other, "ada", "a", 4)?, intent(sale, "ada", "a", 5)?]).await?;
    scene.deduct(vec![intent(other, "ada", "b", 6)?]).await?;
    let last = scene.deduct(vec![intent(sale, "bob", "c", 7)?, intent(sale, "ada", "c", 8)?]).await?;
    let snapshot = scene.snapshot(sale).await?;
    assert_eq!((snapshot.state, snapshot.generation), (LedgerState::Active, 1));
    assert_eq!((snapshot.buyers, snapshot.keys), (2, 3));
    let listed = |open: &OpenBatch| (open.id, open.amount.orders, open.amount.units);
    let open: Vec<_> = snapshot.open.iter().map(listed).collect();
    assert_eq!(open, [(first.id(), 1, 5), (last.id(), 2, 15)]);
    assert!(snapshot.open.is_sorted_by_key(|open| open.deducted_at));
    scene.ledger().settle(&all_confirmed(&first)).await?;
    let after = scene.snapshot(sale).await?;
    assert_eq!(after.open.iter().map(listed).collect::<Vec<_>>(), [(last.id(), 2, 15)]);
    assert!(after.sequence > snapshot.sequence);
    Ok(())
}

/// As a whole, so that it can be compared with the order store's: open, settled, fenced, or nothing.
pub async fn an_entry_has_the_status_of_its_batch(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let other = scene.sell(scene.unused_of(scene.shard(sale))?, 10, 5).await?;
    let batch = scene.deduct(vec![intent(sale, "ada", "k", 2)?, intent(other, "bob", "k", 3)?]).await?;
    let order = |place: usize, state| {
        let asked = &batch.intents()[place];
        let (buyer, quantity) = (asked.buyer_digest(), asked.quantity().get());
        LedgerOrder { sale: asked.sale(), buyer, quantity, state }
    };
    let open = scene.ledger().entry(batch.id()).await?.ok_or("deducted")?;
    let pending = vec![order(0, OrderState::Pending), order(1, OrderState::Pending)];
    assert_eq!(open, LogEntry { status: LogStatus::Deducted, orders: pending });

    let short = cancelled(CancelReason::OutOfStock);
    let decided = outcome(&batch, |place| if place == 0 { Decision::Confirmed } else { short });
    scene.ledger().settle(&decided).await?;
    let settled = scene.ledger().entry(batch.id()).await?.ok_or("settled")?;
    let orders =
        vec![order(0, OrderState::Confirmed), order(1, OrderState::Cancelled(CancelReason::OutOfStock))];
    assert_eq!(settled, LogEntry { status: LogStatus::Acknowledged, orders });

    let (fenced, unknown) = (scene.batch_id(sale)?, scene.batch_id(sale)?);
    scene.ledger().check_back(fenced).await?;
    let fence = LogEntry { status: LogStatus::Fenced, orders: Vec::new() };
    assert_eq!(scene.ledger().entry(fenced).await?, Some(fence));
    assert_eq!(scene.ledger().entry(unknown).await?, None);
    for other in [batch.id(), fenced] {
        let other = BatchId::from_parts(other.base(), other.nonce() ^ 1);
        assert_eq!(scene.ledger().entry(other).await?, None, "another batch has the base");
    }
    Ok(())
}

/// So that a lost message can be sent again; a settled batch needs none.
pub async fn the_body_of_a_message_is_kept_until_its_batch_is_settled(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(1_000, 1).await?;
    // Any bytes, and more than a small value.
    let body: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    let batch = scene.batch(crowd(sale, 2)?)?;
    scene.ledger().deduct(&batch, &body).await?;
    assert_eq!(scene.ledger().message(batch.id()).await?.as_deref(), Some(body.as_slice()));
    scene.ledger().deduct(&batch, b"again").await?;
    assert!(scene.ledger().message(batch.id()).await?.is_some(), "a second call takes nothing away");
    let twin = BatchId::from_parts(batch.id().base(), batch.id().nonce() ^ 1);
    assert_eq!(scene.ledger().message(twin).await?, None);
    scene.ledger().settle(&all_confirmed(&batch)).await?;
    assert_eq!(scene.ledger().message(batch.id()).await?, None);

    let refused = scene.batch(crowd(sale, 1)?)?;
    scene.ledger().deduct(&refused, &body).await?;
    let (fenced, silent) = (scene.batch_id(sale)?, scene.batch(vec![intent(sale, "eve", "k", 1)?])?);
    scene.ledger().check_back(fenced).await?;
    scene.ledger().deduct(&silent, &[]).await?;
    for batch in [refused.id(), fenced, silent.id()] {
        assert_eq!(scene.ledger().message(batch).await?, None);
    }
    Ok(())
}

/// A cheaper read of the same two numbers.
pub async fn a_stock_is_that_of_the_snapshot(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    scene.deduct(crowd(sale, 3)?).await?;
    let stock = SaleStock { sale, available: 7, epoch: 0 };
    assert_eq!(scene.ledger().stock(sale).await?, Some(stock));
    assert_eq!(scene.ledger().stock(scene.unused()?).await?, None);
    Ok(())
}

/// For a gateway that caches them to answer replays without the ledger.
pub async fn keys_lists_every_key_once(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(5_000, 1).await?;
    let mut expected = Vec::new();
    for half in crowd(sale, 2_000)?.chunks(1_000) {
        expected.extend(half.iter().map(|intent| intent.key_digest().0));
        scene.deduct(half.to_vec()).await?;
    }
    let mut expected: Vec<_> = expected.iter().filter_map(|digest| digest.first_chunk().copied()).collect();
    let mut keys = scene.ledger().keys(sale).await?;
    expected.sort_unstable();
    keys.sort_unstable();
    assert_eq!(keys, expected);
    Ok(())
}

/// To every process that listens.
pub async fn events_report_what_was_settled_and_returned(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(10, 5).await?;
    let mut listeners = [scene.ledger().events().await?, scene.ledger().events().await?];
    let quiet = scene.deduct(crowd(sale, 1)?).await?;
    scene.ledger().settle(&all_confirmed(&quiet)).await?;
    let batch = scene.deduct(vec![intent(sale, "ada", "k", 4)?]).await?;
    scene.ledger().settle(&outcome(&batch, |_place| cancelled(CancelReason::Timeout))).await?;
    for listener in &mut listeners {
        let mut received = Vec::new();
        for _note in 0..3 {
            received.push(timeout(EVENT_WAIT, listener.next()).await?.ok_or("the stream ended")?);
        }
        assert_eq!(received.first(), Some(&LedgerEvent::Settled(quiet.id())));
        assert!(received.contains(&LedgerEvent::Settled(batch.id())), "{received:?}");
        let returned = SaleStock { sale, available: 9, epoch: 1 };
        assert!(received.contains(&LedgerEvent::Returned(returned)), "{received:?}");
    }
    Ok(())
}

/// Two gateways get two numbers.
pub async fn node_numbers_are_given_in_turn(subject: Subject) -> Fact {
    let ledger = subject.ledger;
    let mut nodes = Vec::new();
    for _start in 0..3 {
        nodes.push(ledger.next_node().await?.get());
    }
    assert_eq!(nodes, [0, 1, 2]);
    Ok(())
}

/// As the readiness check does.
pub async fn it_answers(subject: Subject) -> Fact {
    Ok(subject.ledger.ping().await?)
}

/// The values that an audit compares with the orders.
pub async fn holdings_are_listed_by_buyer(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let sale = scene.on_sale(20, 5).await?;
    let intents =
        vec![intent(sale, "ada", "k", 2)?, intent(sale, "bob", "k", 1)?, intent(sale, "ada", "l", 1)?];
    let asked = [intent(sale, "bob", "m", 1)?, intent(sale, "eve", "k", 1)?, intent(sale, "ada", "m", 1)?];
    let buyers = asked.map(|intent| intent.buyer_digest());
    let batch = scene.deduct(intents).await?;
    assert_eq!(scene.ledger().holdings(sale, &buyers).await?, [1, 0, 3]);
    let kept = outcome(&batch, |place| match place {
        1 => cancelled(CancelReason::Timeout),
        _ => Decision::Confirmed,
    });
    scene.ledger().settle(&kept).await?;
    assert_eq!(scene.ledger().holdings(sale, &buyers).await?, [0, 0, 3]);
    assert_eq!(scene.ledger().holdings(scene.unused()?, &buyers).await?, [0, 0, 0]);
    assert_eq!(scene.ledger().holdings(sale, &[]).await?, [0_u64; 0]);
    let snapshot = scene.snapshot(sale).await?;
    assert_eq!((snapshot.written.buyers, snapshot.written.keys), (snapshot.buyers, snapshot.keys));
    assert_eq!((snapshot.buyers, snapshot.keys, snapshot.pending_orders), (1, 3, 0));
    Ok(())
}

/// Only a closed and settled sale whose retention is over is removed.
pub async fn sweeping_leaves_what_sells_alone(subject: Subject) -> Fact {
    let scene = Scene::new(subject);
    let (sells, closed) = (scene.on_sale(10, 5).await?, scene.on_sale(10, 5).await?);
    scene.deduct(crowd(closed, 2)?).await?;
    scene.ledger().close(closed).await?;
    assert_eq!(scene.ledger().sweep().await?, 0);
    for sale in [sells, closed] {
        assert!(scene.ledger().snapshot(sale).await?.is_some());
    }
    Ok(())
}
