//! What operators are told about dead letters, and what becomes of them.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use flashgate_domain::{BatchId, SystemClock, Timestamp};
use flashgate_messaging::{Browser, BusError, Delivery, QueueId, QueueSpan, StoredPage, Topic};
use flashgate_order_store::{
    OrderRepository, RepairDraft, RepairRepository, SaleRepository,
    contract::scene::{NOW, draft, singles},
};
use flashgate_order_worker::operator::DeadLetters;
use flashgate_proto::{
    body,
    v1::{
        DecideDeadLettersRequest, ListDeadLettersRequest, ListDeadLettersResponse, ShowDeadLetterRequest,
        dead_letter_service_server::DeadLetterService,
    },
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::double::{Event, MemoryBus, MemoryStore};

/// Queues that are looked at; each begins at the offset of its first message.
#[derive(Default)]
struct Shelf(BTreeMap<QueueId, Vec<Delivery>>);

impl Shelf {
    fn put(&mut self, queue: u32, offset: u64, key: &str, body: Bytes) {
        let queue = QueueId { broker: "broker-a".into(), number: queue };
        let properties = vec![
            ("flashgate_offset".to_owned(), "7".to_owned()),
            ("flashgate_reason".to_owned(), "undecodable".to_owned()),
        ];
        let message = Delivery {
            message_id: format!("m{offset}"),
            key: key.to_owned(),
            properties,
            body,
            queue: queue.clone(),
            offset,
            born_at: Timestamp::default(),
            stored_at: Timestamp::from_millis(1_000 + offset),
        };
        self.0.entry(queue).or_default().push(message);
    }
}

#[async_trait]
impl Browser for Shelf {
    async fn queues(&self) -> Result<Vec<QueueSpan>, BusError> {
        let span = |(queue, messages): (&QueueId, &Vec<Delivery>)| QueueSpan {
            queue: queue.clone(),
            offsets: messages[0].offset..messages[messages.len() - 1].offset + 1,
        };
        Ok(self.0.iter().map(span).collect())
    }

    async fn read(&self, queue: &QueueId, offset: u64, max: u32) -> Result<StoredPage, BusError> {
        // Fewer than asked for, as a broker does.
        let rest = self.0[queue].iter().filter(|message| message.offset >= offset);
        let messages: Vec<Delivery> = rest.take(usize::try_from(max.min(2)).unwrap()).cloned().collect();
        let next = messages.last().map_or(offset, |last| last.offset + 1);
        Ok(StoredPage { messages, next })
    }
}

struct Scene {
    letters: DeadLetters,
    store: Arc<MemoryStore>,
    bus: MemoryBus,
}

impl Scene {
    fn new(shelf: Shelf) -> Self {
        let (store, bus) = (Arc::new(MemoryStore::default()), MemoryBus::default());
        let letters = DeadLetters {
            browser: Arc::new(shelf),
            publisher: Arc::new(bus.clone()),
            orders: Topic::new("t-orders").unwrap(),
            store: store.clone(),
            clock: Arc::new(SystemClock),
        };
        Self { letters, store, bus }
    }

    async fn list(&self, request: ListDeadLettersRequest) -> ListDeadLettersResponse {
        self.letters.list_dead_letters(Request::new(request)).await.unwrap().into_inner()
    }

    /// The ids of all letters that wait, page by page.
    async fn waiting(&self, page_size: u32) -> Vec<String> {
        let (mut ids, mut after_id) = (Vec::new(), String::new());
        loop {
            let request = ListDeadLettersRequest { after_id, page_size, all: false };
            let page = self.list(request).await;
            assert!(page.letters.len() <= usize::try_from(page_size).unwrap());
            ids.extend(page.letters.into_iter().map(|letter| letter.id));
            if page.next_id.is_empty() {
                return ids;
            }
            after_id = page.next_id;
        }
    }

    async fn repair(&self, kind: &str, reason: &str) -> u64 {
        let (kind, actor, reason) = (kind.to_owned(), "ops".to_owned(), reason.to_owned());
        let draft = RepairDraft { sale: None, kind, actor, reason, before: String::new() };
        self.store.begin_repair(&draft, NOW).await.unwrap().id
    }

    async fn replay(&self, repair_id: u64, ids: &[&str]) -> Result<Vec<String>, Status> {
        let request = Request::new(decide(repair_id, ids));
        Ok(self.letters.replay_dead_letters(request).await?.into_inner().results)
    }

    async fn drop(&self, repair_id: u64, ids: &[&str]) -> Result<Vec<String>, Status> {
        let request = Request::new(decide(repair_id, ids));
        Ok(self.letters.drop_dead_letters(request).await?.into_inner().results)
    }
}

fn decide(repair_id: u64, ids: &[&str]) -> DecideDeadLettersRequest {
    DecideDeadLettersRequest { repair_id, ids: ids.iter().map(|id| (*id).to_owned()).collect() }
}

fn field(status: &Status) -> String {
    status.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

fn five() -> Shelf {
    let mut shelf = Shelf::default();
    for offset in [3, 4, 5] {
        shelf.put(0, offset, "k", Bytes::from_static(b"no batch"));
    }
    for offset in [0, 1] {
        shelf.put(1, offset, "k", Bytes::from_static(b"no batch"));
    }
    shelf
}

#[tokio::test]
async fn letters_are_listed_page_by_page_and_only_those_that_wait() {
    let scene = Scene::new(five());
    let all = ["broker-a/0:3", "broker-a/0:4", "broker-a/0:5", "broker-a/1:0", "broker-a/1:1"];
    for page_size in [1, 2, 3, 5, 100] {
        assert_eq!(scene.waiting(page_size).await, all, "{page_size}");
    }
    let repair = scene.repair("drop_letters", "a stranger's").await;
    let dropped = scene.drop(repair, &["broker-a/0:4", "broker-a/1:1"]).await.unwrap();
    assert_eq!(dropped, ["dropped", "dropped"]);
    for page_size in [1, 2, 100] {
        assert_eq!(scene.waiting(page_size).await, [all[0], all[2], all[3]], "{page_size}");
    }
    let page = scene.list(ListDeadLettersRequest { all: true, ..ListDeadLettersRequest::default() }).await;
    assert_eq!(page.letters.len(), 5);
    let decision = page.letters[1].decision.clone().unwrap();
    assert_eq!((page.letters[1].standing.as_str(), decision.actor.as_str()), ("dropped", "ops"));
    assert_eq!((decision.repair_id, decision.reason.as_str()), (repair, "a stranger's"));
    assert_eq!((page.letters[0].standing.as_str(), page.letters[0].decision.clone()), ("waiting", None));
    assert_eq!(page.letters[0].origin.clone().unwrap().offset, "7");
    assert_eq!(page.letters[0].given_up_at_ms, 1_003);
}

#[tokio::test]
async fn no_letter_at_all_is_an_empty_list() {
    let page = Scene::new(Shelf::default()).list(ListDeadLettersRequest::default()).await;
    assert_eq!(page, ListDeadLettersResponse::default());
}

#[tokio::test]
async fn a_letter_is_shown_with_its_orders_or_with_its_first_bytes() {
    let store = MemoryStore::default();
    let sale = store.create_sale(&draft("A", 10).unwrap(), NOW).await.unwrap().id;
    let batch = singles(1, sale, 3).unwrap();
    let mut shelf = Shelf::default();
    shelf.put(0, 0, "any", body::encode_batch(&batch, None, NOW));
    shelf.put(0, 1, &batch.id().to_string(), Bytes::from(vec![0xff; 300]));
    let scene = Scene::new(shelf);
    let show = async |id: &str| {
        let request = Request::new(ShowDeadLetterRequest { id: id.to_owned() });
        scene.letters.show_dead_letter(request).await.unwrap().into_inner()
    };
    let decodes = show("broker-a/0:0").await;
    let letter = decodes.letter.unwrap();
    assert_eq!((letter.orders, letter.units, letter.decided), (3, 3, false));
    assert_eq!(letter.batch_id.parse::<BatchId>(), Ok(batch.id()));
    assert_eq!((decodes.intents.len(), decodes.head.len()), (3, 0));
    let opaque = show("broker-a/0:1").await;
    let letter = opaque.letter.unwrap();
    assert_eq!((letter.orders, letter.units, letter.body_bytes), (0, 0, 300));
    assert_eq!(letter.batch_id, batch.id().to_string(), "its key names the batch");
    assert_eq!((opaque.intents.len(), opaque.head), (0, vec![0xff; 256]));

    scene.store.create_sale(&draft("A", 10).unwrap(), NOW).await.unwrap();
    scene.store.apply(std::slice::from_ref(&batch), NOW).await.unwrap();
    assert!(show("broker-a/0:0").await.letter.unwrap().decided);
}

#[tokio::test]
async fn a_letter_is_replayed_as_it_came_and_waits_if_the_broker_does_not_take_it() {
    let scene = Scene::new(five());
    let repair = scene.repair("replay_letters", "").await;
    scene.bus.fail_next(BusError::Unavailable { reason: "away".to_owned() });
    let ids = ["broker-a/0:3", "broker-a/0:4"];
    assert_eq!(scene.replay(repair, &ids).await.unwrap(), ["failed", "failed"]);
    assert_eq!((scene.bus.events(), scene.waiting(100).await.len()), (Vec::new(), 5));

    assert_eq!(scene.replay(repair, &ids).await.unwrap(), ["replayed", "replayed"]);
    let (topic, key) = ("t-orders".to_owned(), "k".to_owned());
    let body = Bytes::from_static(b"no batch");
    let published = Event::Published { topic, key, properties: Vec::new(), body, deliver_after: None };
    assert_eq!(scene.bus.events(), [published.clone(), published]);
    assert_eq!(scene.waiting(100).await, ["broker-a/0:5", "broker-a/1:0", "broker-a/1:1"]);
}

#[tokio::test]
async fn a_wrong_request_names_its_field_and_does_nothing() {
    let scene = Scene::new(five());
    let repair = scene.repair("replay_letters", "").await;
    for id in ["", "broker-a", "broker-a/0:x"] {
        let wrong = scene.replay(repair, &["broker-a/0:3", id]).await.unwrap_err();
        assert_eq!((wrong.code(), field(&wrong).as_str()), (Code::InvalidArgument, "ids"), "{id:?}");
        let request = Request::new(ShowDeadLetterRequest { id: id.to_owned() });
        let wrong = scene.letters.show_dead_letter(request).await.unwrap_err();
        assert_eq!((wrong.code(), field(&wrong).as_str()), (Code::InvalidArgument, "id"), "{id:?}");
    }
    assert_eq!(field(&scene.replay(repair, &[]).await.unwrap_err()), "ids");
    for missing in ["broker-a/0:2", "broker-a/0:6", "broker-a/2:0", "broker-b/0:3"] {
        let wrong = scene.replay(repair, &["broker-a/0:3", missing]).await.unwrap_err();
        assert_eq!(wrong.get_details_error_info().unwrap().reason, "dead_letter_not_found", "{missing}");
        assert!(wrong.message().contains(missing), "{wrong:?}");
    }
    let list = async |request| scene.letters.list_dead_letters(Request::new(request)).await.unwrap_err();
    let wrong = list(ListDeadLettersRequest { after_id: "x".to_owned(), ..Default::default() }).await;
    assert_eq!(field(&wrong), "after_id");
    let wrong = list(ListDeadLettersRequest { page_size: 101, ..Default::default() }).await;
    assert_eq!(field(&wrong), "page_size");

    let unfounded = scene.repair("drop_letters", " ").await;
    assert_eq!(field(&scene.drop(unfounded, &["broker-a/0:3"]).await.unwrap_err()), "repair_id");
    let ended = scene.repair("replay_letters", "").await;
    scene.store.end_repair(ended, "", NOW).await.unwrap();
    for not_it in [0, unfounded, ended, 99, u64::MAX] {
        let wrong = scene.replay(not_it, &["broker-a/0:3"]).await.unwrap_err();
        assert_eq!(wrong.get_details_error_info().unwrap().reason, "repair_not_found", "{not_it}");
    }
    assert_eq!((scene.bus.events(), scene.waiting(100).await.len()), (Vec::new(), 5));
}
