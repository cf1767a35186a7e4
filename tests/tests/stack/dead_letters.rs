//! Messages that were given up are shown, published again and dropped, by the operator's own commands.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use flashgate::{
    cli::{Cli, Command},
    operate::{audit, repair},
};
use flashgate_domain::SaleId;
use flashgate_output::exit::CliError;
use flashgate_proto::v1::{self, dead_letter_service_client::DeadLetterServiceClient};
use flashgate_tests::{Books, Deployment, Heard, Purchase, SaleForm, ask_all, eventually};
use sqlx::{Connection, MySqlConnection};
use tonic::transport::{Channel, Endpoint};

const TIME_TO_SEE: Duration = Duration::from_secs(90);
/// Far from every sale that a test makes.
const ELSEWHERE: u64 = 1_000_000;

/// The command, as an operator types it.
async fn dead_letters(shop: &Deployment, words: &[&str]) -> Result<(), CliError> {
    let worker = format!("http://{}", shop.workers[0].address());
    let head = ["flashgate", "repair", "dead-letters"];
    let words = [&head, words, &["--worker", &worker, "--timeout", "20s"]].concat();
    let Command::Repair(command) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
    repair::run(&command).await
}

async fn audit(shop: &Deployment) -> Result<(), CliError> {
    let gateway = format!("http://{}", shop.gateways[0].operator());
    let worker = format!("http://{}", shop.workers[0].address());
    let words = ["flashgate", "audit", "--older-than", "3s", "--gateway", &gateway, "--worker", &worker];
    let Command::Audit(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
    audit::run(&args).await
}

async fn channel(shop: &Deployment) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", shop.workers[0].address()));
    endpoint.unwrap().connect().await.unwrap()
}

async fn listed(shop: &Deployment, all: bool) -> Vec<v1::DeadLetter> {
    let mut service = DeadLetterServiceClient::new(channel(shop).await);
    let request = v1::ListDeadLettersRequest { all, ..v1::ListDeadLettersRequest::default() };
    service.list_dead_letters(request).await.unwrap().into_inner().letters
}

/// What was written down, the latest first.
async fn repairs(shop: &Deployment) -> Vec<v1::RepairEvent> {
    let mut service = v1::repair_service_client::RepairServiceClient::new(channel(shop).await);
    service.list_repairs(v1::ListRepairsRequest::default()).await.unwrap().into_inner().repairs
}

async fn until_all_is_consumed(shop: &Deployment) {
    let service = v1::repair_service_client::RepairServiceClient::new(channel(shop).await);
    eventually("the workers have done everything", TIME_TO_SEE, async || {
        let backlog = service.clone().get_backlog(v1::GetBacklogRequest {}).await.unwrap().into_inner();
        (backlog.known && backlog.messages == 0).then_some(()).ok_or(format!("{backlog:?}"))
    })
    .await;
}

/// Takes the sale's row away from the workers, or gives it back: an operator's slip, and its mending.
async fn move_sale(shop: &Deployment, from: u64, to: u64) {
    let mut connection = MySqlConnection::connect(shop.store.url()).await.unwrap();
    let moved =
        sqlx::query("UPDATE sales SET id = ? WHERE id = ?").bind(to).bind(from).execute(&mut connection);
    assert_eq!(moved.await.unwrap().rows_affected(), 1);
}

/// Orders that are accepted while the order store does not have the sale: their batches are given up.
async fn accepted_for_nothing(shop: &Deployment, sale: SaleId, buyers: usize) -> Vec<Heard> {
    let door = shop.gateways[0].door();
    move_sale(shop, sale.get(), ELSEWHERE).await;
    let purchases = Purchase::of_many(sale, "unlucky", buyers);
    let heard = ask_all(purchases, buyers, async |purchase: &Purchase| door.buy(purchase).await).await;
    assert!(heard.iter().all(|heard| heard.order().is_some()), "{heard:?}");
    eventually("their batches are given up", TIME_TO_SEE, async || {
        let letters = listed(shop, false).await;
        let orders: u32 = letters.iter().map(|letter| letter.orders).sum();
        (usize::try_from(orders) == Ok(buyers)).then_some(()).ok_or(format!("{letters:?}"))
    })
    .await;
    move_sale(shop, ELSEWHERE, sale.get()).await;
    heard
}

fn ids<'a>(letters: &'a [v1::DeadLetter], reason: &str) -> Vec<&'a str> {
    letters.iter().filter(|letter| letter.reason == reason).map(|letter| letter.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_given_up_is_replayed_and_confirmed_once_and_a_stranger_is_dropped() {
    let shop = Deployment::of("dead-letters").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    assert_eq!(listed(&shop, true).await, []);
    dead_letters(&shop, &["list"]).await.unwrap();
    let orders_topic = shop.broker.topic("orders");
    let poison = Bytes::from_static(b"this is no protobuf message");
    shop.broker.publish(&orders_topic, "a-stranger", poison.clone()).await;
    let heard = accepted_for_nothing(&shop, sale, 5).await;
    let letters = eventually("the stranger's is given up", TIME_TO_SEE, async || {
        let letters = listed(&shop, false).await;
        (ids(&letters, "undecodable").len() == 1).then_some(letters.clone()).ok_or(format!("{letters:?}"))
    })
    .await;
    let (batches, strange) = (ids(&letters, "unknown_sale"), ids(&letters, "undecodable"));
    assert_eq!(batches.len() + strange.len(), letters.len(), "{letters:?}");
    for letter in &letters {
        let origin = letter.origin.clone().unwrap();
        assert_eq!((origin.topic, letter.standing.as_str()), (orders_topic.to_string(), "waiting"));
        assert!(!letter.decided && letter.given_up_at_ms > 0 && !letter.detail.is_empty(), "{letter:?}");
        match letter.reason.as_str() {
            "unknown_sale" => {
                assert_eq!((&letter.batch_id, letter.units), (&letter.key, letter.orders.into()))
            }
            _ => assert_eq!((letter.key.as_str(), letter.batch_id.as_str()), ("a-stranger", "")),
        }
    }
    dead_letters(&shop, &["show", batches[0]]).await.unwrap();
    dead_letters(&shop, &["show", strange[0], "--output", "json"]).await.unwrap();

    // Nothing but looks so far, and dry runs.
    dead_letters(&shop, &[&["replay"], &batches[..]].concat()).await.unwrap();
    dead_letters(&shop, &["drop", strange[0]]).await.unwrap();
    let reasonless = dead_letters(&shop, &["drop", strange[0], "--apply"]).await;
    assert!(matches!(&reasonless, Err(CliError::Usage(why)) if why.contains("--reason")), "{reasonless:?}");
    let missing = dead_letters(&shop, &["replay", batches[0], "nobody/0:0", "--apply"]).await;
    assert!(matches!(&missing, Err(CliError::NotFound(why)) if why.contains("nobody/0:0")), "{missing:?}");
    let wrong = dead_letters(&shop, &["show", "nothing"]).await;
    assert!(matches!(&wrong, Err(CliError::Usage(why)) if why.contains("id")), "{wrong:?}");
    assert_eq!((listed(&shop, false).await, repairs(&shop).await), (letters.clone(), Vec::new()));
    until_all_is_consumed(&shop).await;
    assert_eq!(shop.store.orders(sale).await, []);

    // Twice, as whoever is in doubt does.
    for _time in 0..2 {
        let replay = [&["replay", "--apply", "--actor", "ops", "--reason", "the sale is back"], &batches[..]];
        dead_letters(&shop, &replay.concat()).await.unwrap();
    }
    let drop = ["drop", strange[0], "--apply", "--actor", "ops", "--reason", "a stranger's"];
    dead_letters(&shop, &drop).await.unwrap();
    until_all_is_consumed(&shop).await;
    let books: Books = shop.conserved(sale, &heard).await;
    assert_eq!((books.confirmed_units(), books.orders.len()), (5, 5));
    assert_eq!(listed(&shop, false).await, []);
    let all = listed(&shop, true).await;
    assert_eq!(all.len(), letters.len(), "a second replay gives nothing up: {all:?}");
    for letter in all {
        let decision = letter.decision.unwrap();
        let expected = match letter.reason.as_str() {
            "unknown_sale" => ("replayed", true, "ops", "the sale is back"),
            _ => ("dropped", false, "ops", "a stranger's"),
        };
        let told = (letter.standing.as_str(), letter.decided, decision.actor.as_str(), &*decision.reason);
        assert_eq!(told, expected);
    }
    let events = repairs(&shop).await;
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["drop_letters", "replay_letters", "replay_letters"]);
    assert!(events[0].before.contains(strange[0]) && events[0].after.contains("dropped"), "{events:?}");
    assert!(batches.iter().all(|id| events[2].before.contains(id)), "{events:?}");
    assert!(events[2].after.lines().all(|line| line.ends_with(": replayed")), "{events:?}");
    audit(&shop).await.unwrap();
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_batch_that_is_dropped_stays_open_until_it_is_replayed_after_all() {
    let shop = Deployment::of("dead-letters-drop").start().await;
    let sale = shop.open_sale(SaleForm::of_stock(100)).await;
    let heard = accepted_for_nothing(&shop, sale, 3).await;
    let letters = listed(&shop, false).await;
    let batches = ids(&letters, "unknown_sale");
    let drop = [&["drop", "--apply", "--reason", "nobody wants it"], &batches[..]].concat();
    dead_letters(&shop, &drop).await.unwrap();
    assert_eq!(listed(&shop, false).await, []);
    eventually("the audit goes on naming it", TIME_TO_SEE, async || {
        let audited = audit(&shop).await;
        matches!(audited, Err(CliError::ToRedrive(_))).then_some(()).ok_or(format!("{audited:?}"))
    })
    .await;
    let open = shop.stock.snapshot(sale).await.unwrap();
    assert_eq!((open.totals.available, open.open.len()), (97, batches.len()));

    dead_letters(&shop, &[&["replay", "--apply"], &batches[..]].concat()).await.unwrap();
    assert_eq!(shop.conserved(sale, &heard).await.confirmed_units(), 3);
    assert!(listed(&shop, true).await.iter().all(|letter| letter.standing == "replayed" && letter.decided));
    audit(&shop).await.unwrap();
    shop.stop().await;
}
