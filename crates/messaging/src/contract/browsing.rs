//! Reading a topic without consuming it.

use super::fixture::{Fixture, keys, message};
use crate::{Browser, Delivery, MessageLocation, Publisher, rocketmq::RocketMqConfig};

/// A browser reads every message, page by page and repeatedly, and takes none from subscribers.
pub async fn a_browser_reads_every_message_and_takes_none(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "browse", 2).await;
    let browser = fixture.mq.browser(fixture.topic.clone());
    let spans = browser.queues().await.unwrap();
    assert!(spans.len() == 2 && spans.iter().all(|span| span.offsets.is_empty()), "{spans:?}");
    let publisher = fixture.publisher();
    for number in 0..10 {
        publisher.publish(message(&fixture.topic, &number.to_string())).await.unwrap();
    }

    fixture.listed(10).await;
    let seen = read_all(&browser, 3).await;
    let mut by_key = seen.clone();
    by_key.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(keys(&by_key), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(seen.iter().all(|message| &message.body[..] == b"body" && !message.message_id.is_empty()));
    let mut places: Vec<MessageLocation> = seen.iter().map(MessageLocation::of).collect();
    assert!(places.is_sorted(), "{places:?}");
    places.dedup();
    assert_eq!(places.len(), 10);
    assert_eq!(read_all(&browser, 32).await, seen, "a second look sees the same");

    let mut subscription = fixture.subscribe().await;
    assert_eq!(fixture.receive(&mut subscription, 10).await.len(), 10, "a group gets all of them");
    subscription.shutdown().await;
    browser.shutdown();
}

/// A topic that does not exist has no queues.
pub async fn a_topic_that_does_not_exist_has_no_queues(server: RocketMqConfig) {
    let fixture = Fixture::new(server, "browse-none", 1).await;
    let browser = fixture.mq.browser(fixture.group.dead_letters());
    assert_eq!(browser.queues().await, Ok(Vec::new()));
    browser.shutdown();
}

async fn read_all(browser: &impl Browser, max: u32) -> Vec<Delivery> {
    let mut read = Vec::new();
    for span in browser.queues().await.unwrap() {
        let mut offset = span.offsets.start;
        while offset < span.offsets.end {
            let page = browser.read(&span.queue, offset, max).await.unwrap();
            assert!(page.messages.len() <= usize::try_from(max).unwrap() && page.next > offset, "{page:?}");
            read.extend(page.messages);
            offset = page.next;
        }
    }
    read
}
