//! Gateways that die around the deduction, and commits that get lost: the broker asks, another gateway answers.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use flashgate_domain::{Batch, BatchId, BuyerId, IdempotencyKey, Intent, Quantity, SaleId};
use flashgate_ledger::{Deduction, Selling};
use flashgate_tests::{
    Answer, Deployment, Purchase, Rush, SaleForm, Seed, ask_all, eventually,
    gateway::{AnsweredCheckBack, node_of},
};
use rand::Rng;

const STOCK: u64 = 1_000_000;
const KILLS: usize = 20;
/// The broker of `scripts/stack` asks after 3 s, every 5 s.
const CHECK_BACK_TIME: Duration = Duration::from_secs(60);

fn check_backs(shop: &Deployment) -> Vec<AnsweredCheckBack> {
    shop.gateways.iter().flat_map(|gateway| gateway.check_backs()).collect()
}

/// Starts the first gateway so that it dies at `failpoint`, again and again; the node numbers of its lives.
async fn kill_repeatedly(shop: &mut Deployment, failpoint: &str, kills: usize) -> BTreeSet<u16> {
    let mut chance = Seed::of_this_run().generator();
    let mut nodes = BTreeSet::new();
    shop.gateways[0].process.kill().await;
    for _ in 0..kills {
        let hit: u32 = chance.random_range(1..=20);
        shop.gateways[0].start_armed(&format!("{failpoint}:{hit}"));
        shop.gateways[0].process.crashed().await;
        nodes.insert(shop.gateways[0].node());
    }
    assert_eq!(nodes.len(), kills, "a node number for each start");
    shop.gateways[0].start();
    shop.gateways[0].ready().await;
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_gateway_died_before_the_commit_is_committed_by_another_one() {
    let mut shop = Deployment::of("commit").gateways(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(STOCK)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let rush = Rush::start(sale, &doors, 8);
    let nodes = kill_repeatedly(&mut shop, "gateway_after_deduct", KILLS).await;
    let heard = rush.end().await;
    shop.conserved(sale, &heard).await;

    let committed: BTreeSet<BatchId> = check_backs(&shop)
        .into_iter()
        .filter(|check_back| check_back.committed)
        .map(|check_back| check_back.batch)
        .collect();
    let decided: BTreeSet<BatchId> = shop.store.batches().await.into_iter().collect();
    assert!(committed.is_subset(&decided), "a committed batch has orders");
    let helped: BTreeSet<u16> = committed.into_iter().map(node_of).collect();
    assert!(
        nodes.is_subset(&helped),
        "{nodes:?} died with a batch each; check-back committed those of {helped:?}"
    );
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_gateway_died_before_the_deduction_is_fenced_and_a_late_deduction_is_refused() {
    let mut shop = Deployment::of("fence").gateways(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(STOCK)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let rush = Rush::start(sale, &doors, 8);
    let nodes = kill_repeatedly(&mut shop, "gateway_after_half", 3).await;
    let heard = rush.end().await;

    let fenced = eventually("each of the dead left a batch that is fenced", CHECK_BACK_TIME, async || {
        let fenced: BTreeMap<u16, BatchId> = check_backs(&shop)
            .into_iter()
            .filter(|check_back| !check_back.committed)
            .map(|check_back| (node_of(check_back.batch), check_back.batch))
            .collect();
        let missing: Vec<&u16> = nodes.iter().filter(|node| !fenced.contains_key(node)).collect();
        if missing.is_empty() { Ok(fenced) } else { Err(format!("missing: {missing:?}")) }
    })
    .await;
    let books = shop.conserved(sale, &heard).await;
    let decided = shop.store.batches().await;
    for batch in fenced.into_values() {
        assert!(!decided.contains(&batch));
        let late = shop.stock.ledger().deduct(&batch_of_one(batch, sale), &[]).await.unwrap();
        assert_eq!(late, Deduction::Fenced);
    }
    assert_eq!(shop.settled(sale).await, books, "nothing moved");
    shop.stop().await;
}

fn batch_of_one(id: BatchId, sale: SaleId) -> Batch {
    let (buyer, key) = (BuyerId::new("late").unwrap(), IdempotencyKey::new("late").unwrap());
    Batch::new(id, vec![Intent::new(sale, buyer, key, Quantity::ONE)]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_commits_are_made_up_for_by_check_back_and_nothing_comes_twice() {
    const LOST_EVERY: u32 = 5;
    let mut shop = Deployment::of("lost").gateways(2).start().await;
    for gateway in &mut shop.gateways {
        gateway.process.kill().await;
        gateway.start_losing_commits(LOST_EVERY);
        gateway.ready().await;
    }
    let sale = shop.open_sale(SaleForm::of_stock(STOCK)).await;
    let doors = [shop.gateways[0].door(), shop.gateways[1].door()];
    let turns: Vec<Purchase> = Purchase::of_many(sale, "buyer", 200);
    let heard = ask_all(turns, 4, async |purchase: &Purchase| {
        let turn = purchase.buyer.len() + usize::from(*purchase.buyer.as_bytes().last().unwrap());
        doors[turn % doors.len()].buy(purchase).await
    })
    .await;
    assert!(heard.iter().all(|heard| matches!(heard.answers[..], [Answer::Accepted(_)])), "{heard:?}");

    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), 200);
    let mut batches_of_node: BTreeMap<u16, u32> = BTreeMap::new();
    for batch in shop.store.batches().await {
        *batches_of_node.entry(node_of(batch)).or_default() += 1;
    }
    let lost: u32 = batches_of_node.values().map(|batches| batches / LOST_EVERY).sum();
    let committed: BTreeSet<u128> = check_backs(&shop)
        .into_iter()
        .filter(|check_back| check_back.committed)
        .map(|check_back| u128::from_be_bytes(check_back.batch.to_bytes()))
        .collect();
    assert!(lost >= 10, "the test lost only {lost} commits of {batches_of_node:?}");
    assert!(
        committed.len() >= usize::try_from(lost).unwrap(),
        "{lost} lost, {} made up for",
        committed.len()
    );
    shop.stop().await;
}
