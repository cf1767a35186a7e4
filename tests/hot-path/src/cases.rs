//! What is counted.

use std::{hint::black_box, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use axum::{Router, body::Body};
use flashgate_domain::{
    Batch, BatchId, BatchOutcome, BuyerId, Clock, Decision, IdempotencyKey, Intent, Node, OrderOutcome,
    Quantity, Sale, SaleFields, SaleId, SaleState, Shard, Timestamp, id::ShardCount,
};
use flashgate_gateway::{
    config::Settings,
    edge::{api::Api, auth::TrustedHeader, http as gateway_http, openapi},
    engine::{Dependencies, Engine},
    readiness::Readiness,
};
use flashgate_messaging::{Join, Subscription, Topic};
use flashgate_proto::body;
use flashgate_supervision::Supervisor;
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::{runtime, task::yield_now};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    GROUP,
    doubles::{Agreeable, Broker, Stopped},
};

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
/// Never reached: time stands still.
const REFRESH: Duration = Duration::from_secs(3_600);

/// The requests alone, which are part of the next two.
pub(crate) fn requests(groups: usize) -> anyhow::Result<()> {
    for number in 0..groups * GROUP {
        black_box(request(number)?);
    }
    Ok(())
}

/// Accepted purchases over HTTP: decode, decide, batch, the body of the half-message, answer.
pub(crate) fn buy(groups: usize) -> anyhow::Result<()> {
    ask(groups, i64::from(u32::MAX), StatusCode::ACCEPTED)
}

/// Purchases of a sale that the gateway knows to be sold out.
pub(crate) fn sold_out(groups: usize) -> anyhow::Result<()> {
    ask(groups, 0, StatusCode::CONFLICT)
}

fn ask(groups: usize, available: i64, expected: StatusCode) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let router = gateway(available).await?;
        // The first answer of a sold-out sale comes from the ledger, and teaches the gateway.
        let first = router.clone().oneshot(request(usize::MAX)?).await?;
        ensure!(first.status() == expected, "{first:?}");
        for _ in 0..16 {
            yield_now().await;
        }
        for group in 0..groups {
            let requests = (0..GROUP).map(|place| request(group * GROUP + place));
            let requests = requests.collect::<anyhow::Result<Vec<_>>>()?;
            let answers = join_all(requests.into_iter().map(|request| router.clone().oneshot(request))).await;
            for answer in answers {
                let answer = answer?;
                ensure!(answer.status() == expected, "{answer:?}");
                black_box(answer.into_body().collect().await?.to_bytes());
            }
        }
        Ok(())
    })
}

fn joining() -> Join {
    Box::new(|| {
        let broker: Box<dyn Subscription> = Box::new(Broker);
        Box::pin(async { Ok(broker) })
    })
}

async fn gateway(available: i64) -> anyhow::Result<Router> {
    let all = Arc::new(Agreeable { sale: sale()?, available });
    let parts = Dependencies {
        ledger: all.clone(),
        shards: ShardCount::ONE,
        producer: Arc::new(Broker),
        orders_topic: Topic::new("orders")?,
        belonging: Arc::default(),
        outcomes: joining(),
        lifecycle: joining(),
        sale_events: Box::new(Broker),
        registry: all,
        clock: Arc::new(Stopped(NOW)),
        seed: 1,
    };
    let settings = Settings { refresh: REFRESH, ..Settings::default() };
    let leave = CancellationToken::new();
    let supervisor = Supervisor::new(leave.clone());
    let engine = Engine::start(&settings, parts, &Arc::<Readiness>::default(), &supervisor).await;
    let engine = engine.context("the engine starts")?;
    let api = Api {
        auth: Arc::new(TrustedHeader),
        purchase: Arc::clone(&engine.purchase),
        orders: Arc::clone(&engine.orders),
        catalogue: Arc::clone(&engine.catalogue),
        body_limits: settings.listen.body_limits(),
        shutdown: leave,
    };
    // Dropping it would be a crash.
    std::mem::forget(engine);
    Ok(gateway_http::router(Arc::new(api), openapi::document()))
}

/// As long as those of buyers who use UUIDs.
fn request(number: usize) -> anyhow::Result<Request<Body>> {
    Ok(Request::post("/v1/sales/7/orders")
        .header("host", "127.0.0.1:7001")
        .header("x-buyer-id", format!("{number:036x}"))
        .header("idempotency-key", format!("{number:036x}"))
        .header("content-type", "application/json")
        .header("content-length", "14")
        .body(Body::from("{\"quantity\":1}"))?)
}

fn sale() -> anyhow::Result<Sale> {
    let fields = SaleFields {
        title: "Kettle".to_owned(),
        price_minor: 1_999,
        currency: "EUR".to_owned(),
        closes_at: NOW.saturating_add(Duration::from_secs(3_600)),
        stock: 1_000_000,
        limit_per_buyer: 2,
        quantity_max: 2,
        ..SaleFields::default()
    };
    Ok(Sale {
        id: SaleId::new(7)?,
        draft: fields.check()?,
        state: SaleState::Preheated,
        generation: 1,
        saleable: 1_000_000,
        reserved: 0,
        restocked: 0,
        returned: 0,
    })
}

fn batch() -> anyhow::Result<Batch> {
    let id = BatchId::new(NOW, Shard::new(0)?, Node::of_start(1), 42);
    let intent = |number: usize| {
        let (buyer, key) =
            (BuyerId::new(format!("{number:036x}"))?, IdempotencyKey::new(format!("{number:036x}"))?);
        anyhow::Ok(Intent::new(SaleId::new(7)?, buyer, key, Quantity::ONE))
    };
    Batch::new(id, (0..GROUP).map(intent).collect::<anyhow::Result<_>>()?).context("a batch")
}

/// The body of a half-message.
pub(crate) fn batch_encode(groups: usize) -> anyhow::Result<()> {
    let batch = batch()?;
    for _ in 0..groups {
        black_box(body::encode_batch(black_box(&batch), None, NOW));
    }
    Ok(())
}

/// What the order worker makes of it.
pub(crate) fn batch_decode(groups: usize) -> anyhow::Result<()> {
    let encoded = body::encode_batch(&batch()?, None, Stopped(NOW).now());
    for _ in 0..groups {
        black_box(body::decode_batch(black_box(encoded.clone()))?);
    }
    Ok(())
}

/// Outcomes from the worker to the gateway: encoded and decoded.
pub(crate) fn outcomes(groups: usize) -> anyhow::Result<()> {
    let batch = batch()?;
    let orders = batch.orders().map(|(order, intent)| OrderOutcome {
        order,
        intent: intent.clone(),
        decision: Decision::Confirmed,
    });
    let outcome = [BatchOutcome { batch: batch.id(), orders: orders.collect() }];
    for _ in 0..groups {
        let encoded = body::encode_outcomes(black_box(&outcome), None);
        black_box(body::decode_outcomes(encoded)?);
    }
    Ok(())
}
