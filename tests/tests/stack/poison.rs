//! Messages that can never be decided, among those that can.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;

use bytes::Bytes;
use flashgate_domain::{
    Batch, BatchId, BuyerId, Clock, IdempotencyKey, Intent, Quantity, SaleId, SystemClock,
};
use flashgate_proto::body;
use flashgate_tests::{Deployment, Purchase, SaleForm, ask_all};

fn batch_of_an_unknown_sale() -> Bytes {
    let id = BatchId::from_bytes(&[0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 42]).unwrap();
    let (buyer, key) = (BuyerId::new("buyer").unwrap(), IdempotencyKey::new("key").unwrap());
    let intent = Intent::new(SaleId::new(999_999).unwrap(), buyer, key, Quantity::ONE);
    body::encode_batch(&Batch::new(id, vec![intent]).unwrap(), None, SystemClock.now())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_decided_goes_to_the_dead_letters_and_its_neighbours_are_confirmed() {
    let shop = Deployment::of("poison").workers(2).start().await;
    let sale = shop.open_sale(SaleForm::of_stock(1_000)).await;
    let (door, orders) = (shop.gateways[0].door(), shop.broker.topic("orders"));
    let poison = [
        Bytes::from_static(b"this is no protobuf message"),
        Bytes::from_static(&[0x0a, 3, 1, 2, 3]), // a batch id of 3 bytes, and no intents
        batch_of_an_unknown_sale(),
    ];
    // Good and bad messages lie side by side in one chunk when the worker comes back.
    shop.workers.iter().for_each(|worker| worker.process.freeze());
    let mut heard = Vec::new();
    for (number, body) in poison.iter().enumerate() {
        let purchases = Purchase::of_many(sale, &format!("before-{number}"), 10);
        heard.extend(ask_all(purchases, 3, async |purchase: &Purchase| door.buy(purchase).await).await);
        shop.broker.publish(&orders, &format!("poison-{number}"), body.clone()).await;
    }
    let after = Purchase::of_many(sale, "after", 10);
    heard.extend(ask_all(after, 3, async |purchase: &Purchase| door.buy(purchase).await).await);
    shop.workers.iter().for_each(|worker| worker.process.thaw());

    let books = shop.conserved(sale, &heard).await;
    assert_eq!(books.confirmed_units(), 40);
    let dead = shop.broker.read_all(&shop.broker.dead_letters(), "reader").await;
    let bodies: BTreeSet<&Bytes> = dead.iter().map(|letter| &letter.body).collect();
    assert_eq!(bodies, poison.iter().collect());
    assert_eq!(dead.len(), poison.len(), "each once");
    let reasons: BTreeSet<&str> = dead
        .iter()
        .flat_map(|letter| &letter.properties)
        .filter(|(name, _value)| name == "flashgate_reason")
        .map(|(_name, reason)| reason.as_str())
        .collect();
    assert_eq!(reasons, BTreeSet::from(["undecodable", "unknown_sale"]));
    shop.stop().await;
}
