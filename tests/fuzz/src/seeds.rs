//! Ordinary inputs of each target, made by the encoders themselves where there is one.

use anyhow::Context;
use bytes::{BufMut, BytesMut};
use flashgate_domain::{
    Actor, Batch, BatchId, BatchIds, BatchOutcome, BuyerId, CallbackId, CancelReason, Cause, Decision,
    IdempotencyKey, Intent, Money, Node, OperatorName, OrderEvent, OrderOutcome, OrderState, Quantity,
    RefundId, RefundState, SaleId, Shard, Timestamp,
};
use flashgate_payments::{
    callback::{self, Callback, CallbackEvent},
    signature::Profile,
};
use flashgate_proto::{
    body, event,
    timer::{self, Timer},
    v1::{BuyRequest, BuyStreamRequest, GetOrderRequest},
};
use prost::Message;

use crate::{payments, target::Target};

/// A file of the corpus: its name, and what is in it.
pub type Seed = (&'static str, Vec<u8>);

const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

/// The inputs of `target`.
///
/// # Errors
/// If an ordinary value is refused by its own type.
pub fn seeds(target: Target) -> anyhow::Result<Vec<Seed>> {
    Ok(match target.name {
        "batch_body" => {
            let of =
                |intents| Ok::<_, anyhow::Error>(body::encode_batch(&batch(intents)?, None, NOW).to_vec());
            vec![("one", of(1)?), ("three", of(3)?), ("many", of(40)?)]
        }
        "outcomes_body" => {
            vec![("every_reason", body::encode_outcomes(&[outcome()?, outcome()?], None).to_vec())]
        }
        "lifecycle_body" => vec![("cancelled", event::encode_event(&cancelled()?, None).to_vec())],
        "timer_body" => {
            let base = batch(1)?.id().base();
            let timer = Timer { due_at: NOW, batches: vec![base] };
            vec![("one_batch", timer::encode_timer(&timer).to_vec())]
        }
        "sale_event_body" => vec![("sale", body::encode_sale_event(SaleId::new(7)?).to_vec())],
        "ids" => ids()?,
        "http_buy" => http_buy(),
        "grpc_requests" => grpc_requests(),
        "redis_replies" => redis_replies(),
        "ledger_notes" => vec![
            ("settled", format!("settled {}", batch_id()?).into_bytes()),
            ("returned", b"returned 7 -3 2".to_vec()),
        ],
        "rocketmq_frames" => frames(),
        "rocketmq_stored" => stored()?,
        "rocketmq_properties" => properties(),
        "rocketmq_route" => {
            vec![("one_broker", ROUTE.to_vec()), ("too_many_queues", TOO_MANY_QUEUES.to_vec())]
        }
        "webhook_headers" => {
            vec![("standard", webhook(Profile::StandardWebhooks)?), ("stripe", webhook(Profile::Stripe)?)]
        }
        "callback_body" => callback_bodies()?,
        "attempt_id" => {
            vec![("first", b"1024-1".to_vec()), ("last", b"9223372036854775807-4294967295".to_vec())]
        }
        other => anyhow::bail!("no seeds for {other}"),
    })
}

fn batch_id() -> anyhow::Result<BatchId> {
    Ok(BatchIds::new(Shard::new(0)?, Node::of_start(3), 7).next(NOW))
}

fn intent(number: usize) -> anyhow::Result<Intent> {
    let (buyer, key) = (BuyerId::new(format!("buyer-{number}"))?, IdempotencyKey::new("once")?);
    Ok(Intent::new(SaleId::new(7)?, buyer, key, Quantity::new(2)?))
}

fn batch(intents: usize) -> anyhow::Result<Batch> {
    let intents = (0..intents).map(intent).collect::<anyhow::Result<_>>()?;
    Batch::new(batch_id()?, intents).context("a batch")
}

fn outcome() -> anyhow::Result<BatchOutcome> {
    let batch = batch(1 + CancelReason::ALL.len())?;
    let reasons = CancelReason::ALL.map(Decision::Cancelled);
    let decisions = [Decision::Confirmed].into_iter().chain(reasons);
    let orders = batch.orders().zip(decisions).map(|((order, intent), decision)| OrderOutcome {
        order,
        intent: intent.clone(),
        decision,
    });
    Ok(BatchOutcome { batch: batch.id(), orders: orders.collect() })
}

fn cancelled() -> anyhow::Result<OrderEvent> {
    let batch = batch_id()?;
    Ok(OrderEvent {
        order: batch.base(),
        batch,
        intent: intent(1)?,
        version: 2,
        from: OrderState::Confirmed,
        to: OrderState::Cancelled(CancelReason::ByOperator),
        actor: Actor::Operator(OperatorName::new("ops")?),
        cause: Cause::new("asked by phone")?,
        at: NOW,
    })
}

fn ids() -> anyhow::Result<Vec<Seed>> {
    let batch = batch_id()?;
    Ok(vec![
        ("batch_bytes", batch.to_bytes().to_vec()),
        ("batch_text", batch.to_string().into_bytes()),
        ("order", batch.base().to_string().into_bytes()),
        ("buyer", b"buyer-1".to_vec()),
    ])
}

fn http_buy() -> Vec<Seed> {
    let ordinary =
        "7\nX-Buyer-Id: alice\nIdempotency-Key: first\nContent-Type: application/json\n\n{\"quantity\": 1}";
    let charset = "9223372036854775807\nidempotency-key: k\nx-buyer-id: b\n\
                   content-type: Application/JSON; charset=utf-8\n\n {\"quantity\":1000000}\n";
    vec![("ordinary", ordinary.into()), ("edges", charset.into())]
}

fn grpc_requests() -> Vec<Seed> {
    let buy = BuyRequest { sale_id: 7, quantity: 1, idempotency_key: "first".to_owned() };
    let in_metadata = BuyRequest { idempotency_key: String::new(), ..buy.clone() };
    let of_many = BuyStreamRequest {
        request_id: 3,
        buyer_id: "alice".to_owned(),
        buy: Some(buy.clone()),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        tracestate: "a=1".to_owned(),
    };
    let order = GetOrderRequest { order_id: "235155916964495360".to_owned() };
    vec![
        ("buy", [b"\0\n\n".as_slice(), &buy.encode_to_vec()].concat()),
        (
            "key_in_metadata",
            [b"\0\nidempotency-key: first\n\n".as_slice(), &in_metadata.encode_to_vec()].concat(),
        ),
        ("buy_for_anyone", [b"\x01".as_slice(), &of_many.encode_to_vec()].concat()),
        ("order", [b"\x02".as_slice(), &order.encode_to_vec()].concat()),
    ]
}

/// An array in Redis's protocol. A word that is a number behind a colon is an integer; `nil` is nil.
fn resp(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        match *word {
            b"nil" => out.extend_from_slice(b"$-1\r\n"),
            [b':', ..] => out.extend_from_slice(&[word, b"\r\n".as_slice()].concat()),
            word => {
                out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                out.extend_from_slice(&[word, b"\r\n".as_slice()].concat());
            }
        }
    }
    out
}

fn redis_replies() -> Vec<Seed> {
    let reply = |script: u8, sales: u8, intents: u8, words: &[&[u8]]| {
        [[script, sales, intents].as_slice(), &resp(words)].concat()
    };
    let answers = b"+#\0\0\0\0\0\0\x04\0!=MNZOESL";
    let refused: Vec<&[u8]> =
        vec![b"refused", b":12", answers, b"\0\0", b"-3", b"2", b"41", b"1", b"1767225600000"];
    let totals: Vec<&[u8]> = vec![
        b"active",
        b"1",
        b"10",
        b"0",
        b"1",
        b"3",
        b"0",
        b"0",
        b"0",
        b"8",
        b"1",
        b"9",
        b"0",
        b"2",
        b"2",
        b"2",
        b"3",
        b":2",
        b":3",
        b"1767225600000",
        b"1767225600000",
        b":1",
        b"0000000000020800000000000000002b",
        b"1767225500000",
        b"0000000000020400000000000000002a",
        b"1767225600000",
        b":1",
        b":2",
    ];
    let scanned = b"\x0a\x01\x01*2\r\n$1\r\n0\r\n*2\r\n$16\r\n0123456789abcdef\r\n$12\r\n0123456789ab\r\n";
    let intent = [b"\0\0\0\0\0\x02".as_slice(), &[7; 32]].concat();
    vec![
        ("screened", reply(0, 1, 2, &[b"screened", b":0", b"", b"", b"10", b"0", b"3", b"1", b"5"])),
        (
            "screened_missing",
            reply(0, 1, 1, &[b"screened", b":0", b"M", b"", b"nil", b"nil", b"nil", b"nil", b"nil"]),
        ),
        ("refused", reply(1, 1, 11, &refused)),
        ("applied", reply(1, 1, 2, &[b"applied", b":2", b"", b"", b"8", b"0", b"4", b"1", b"5"])),
        ("fate", reply(2, 1, 1, &[b"fenced"])),
        ("settled", reply(3, 2, 2, &[b"late", b"8", b"0", b"4", b"1", b"nil", b"nil", b"nil", b"nil"])),
        ("prepared", reply(4, 1, 1, &[b"created", b"1"])),
        ("activated", reply(5, 1, 1, &[b"other_generation", b"2"])),
        ("stopped", reply(6, 1, 1, &[b"paused"])),
        ("order", reply(7, 1, 1, &[b"\0\0\0\0\0\0\0\x07", &intent, b"c"])),
        ("snapshot", reply(8, 1, 1, &totals)),
        ("standing", reply(9, 1, 1, &[b"8", b"1"])),
        ("scanned", scanned.to_vec()),
        ("started", b"\x0b\x01\x01:5\r\n".to_vec()),
    ]
}

fn frame(header: &str, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let length = |part: usize| u32::try_from(part).unwrap_or(0);
    out.put_u32(length(4 + header.len() + body.len()));
    out.put_u32(length(header.len()));
    out.put_slice(header.as_bytes());
    out.put_slice(body);
    out.to_vec()
}

fn frames() -> Vec<Seed> {
    let answer = frame(
        r#"{"code":0,"flag":1,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":477,
           "remark":"a\nb","extFields":{"queueOffset":"12","msgId":"7F00000100002A9F0000000000000000"}}"#,
        b"body",
    );
    let request = frame(
        r#"{"code":39,"flag":0,"language":"JAVA","opaque":-1,"serializeTypeCurrentRPC":"JSON","version":477,
           "extFields":{"commitLogOffset":"1"}}"#,
        b"",
    );
    vec![
        ("answer", [b"\0\x05".as_slice(), &answer].concat()),
        ("two", [b"\0\x60".as_slice(), &answer, &request].concat()),
    ]
}

/// `MessageDecoder.java`, RocketMQ 5.4.0.
fn message(
    magic: u32,
    system_flag: u32,
    topic: &str,
    properties: &str,
    body: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let mut out = BytesMut::new();
    for word in [magic, 0, 3, 0] {
        out.put_u32(word);
    }
    out.put_u64(12);
    out.put_u64(4_096);
    out.put_u32(system_flag);
    for v6 in [system_flag & 16 != 0, system_flag & 32 != 0] {
        out.put_u64(NOW.as_millis());
        out.put_bytes(127, if v6 { 16 } else { 4 });
        out.put_u32(10_911);
    }
    out.put_u32(0);
    out.put_u64(0);
    out.put_u32(u32::try_from(body.len())?);
    out.put_slice(body);
    if magic == MAGIC_LONG_TOPIC {
        out.put_u16(u16::try_from(topic.len())?);
    } else {
        out.put_u8(u8::try_from(topic.len())?);
    }
    out.put_slice(topic.as_bytes());
    out.put_u16(u16::try_from(properties.len())?);
    out.put_slice(properties.as_bytes());
    let size = u32::try_from(out.len() + 4)?.to_be_bytes();
    Ok([size.as_slice(), &out].concat())
}

const MAGIC: u32 = 0xdaa3_20a7;
const MAGIC_LONG_TOPIC: u32 = 0xdaa3_20ab;
const PROPERTIES: &str =
    "KEYS\u{1}00\u{2}UNIQ_KEY\u{1}7F\u{2}PGROUP\u{1}g\u{2}TRANSACTION_CHECK_TIMES\u{1}2\u{2}own\u{1}x\u{2}";

fn stored() -> anyhow::Result<Vec<Seed>> {
    let plain = message(MAGIC, 0, "flashgate-orders", PROPERTIES, b"body")?;
    let v6 = message(MAGIC_LONG_TOPIC, 16 + 32, "t", "", b"")?;
    Ok(vec![("plain", plain.clone()), ("long_topic_v6", v6.clone()), ("two", [plain, v6].concat())])
}

fn properties() -> Vec<Seed> {
    vec![("stored", PROPERTIES.into()), ("own", b"zone\0\xc3\xa4=\"1\"\0batch_id\0x".to_vec())]
}

fn callback(event: CallbackEvent) -> anyhow::Result<Callback> {
    Ok(Callback { id: CallbackId::new("msg_1")?, at: NOW, event })
}

fn callback_bodies() -> anyhow::Result<Vec<Seed>> {
    let (attempt, money) = ("1024-1".parse()?, Money::new(1_999, "EUR".parse()?)?);
    let refund = RefundId::new("1024-1-r1")?;
    let refund = CallbackEvent::Refund { refund, attempt, money, state: RefundState::Failed };
    [
        ("paid", CallbackEvent::Paid { attempt, money }),
        ("closed", CallbackEvent::Closed { attempt }),
        ("reversed", CallbackEvent::Reversed { attempt, money }),
        ("refund", refund),
        ("unknown", CallbackEvent::Unknown { kind: "payout.sent".to_owned() }),
    ]
    .into_iter()
    .map(|(name, event)| Ok((name, callback::encode(&callback(event)?))))
    .collect()
}

/// Signed headers, and an ordinary body.
fn webhook(profile: Profile) -> anyhow::Result<Vec<u8>> {
    let callback = callback(CallbackEvent::Closed { attempt: "1024-1".parse()? })?;
    let (body, mut out) = (callback::encode(&callback), format!("{profile}\n"));
    for (name, value) in payments::scheme(profile, payments::SECRET.parse()?).sign(&callback.id, &body, NOW) {
        out.push_str(&format!("{name}: {}\n", value.to_str()?));
    }
    Ok([out.as_bytes(), b"\n", &body].concat())
}

const ROUTE: &[u8] = br#"{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911"},"brokerName":"broker-a",
"cluster":"flashgate","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,
"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}"#;
/// More queues than there is memory for.
const TOO_MANY_QUEUES: &[u8] = br#"{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911"},"brokerName":"a",
"cluster":"a","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"a","perm":6,
"readQueueNums":4294967295,"topicSysFlag":0,"writeQueueNums":4294967295}]}"#;
