//! Bad input over both protocols: one row a case, each with its exact answer. None of it reaches Redis' scripts
//! for purchases or the broker.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail where it stands")]

mod grpc;
mod http;
mod slow_peer;

use flashgate_domain::SaleId;
use flashgate_tests::{Deployment, Purchase, SaleForm};

/// How much one request may ask for. A buyer may hold more, so that the two limits are told apart.
const QUANTITY_MAX: u32 = 2;

/// A deployment with one sale, and an order in it that is Alice's.
struct Scene {
    shop: Deployment,
    sale: SaleId,
    alices_order: String,
    before: Counts,
}

/// What must not move while only bad input comes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    half_messages: f64,
    screenings: f64,
    deductions: f64,
}

impl Scene {
    async fn set(name: &str) -> Self {
        let shop = Deployment::of(name).start().await;
        let sale = shop.open_sale(SaleForm::of_stock(100).limit(10).quantity_max(QUANTITY_MAX)).await;
        let alice = Purchase::new(sale, "alice", "alice-1", 1);
        let order = shop.gateways[0].door().buy(&alice).await.order().expect("a good purchase is accepted");
        let before = Counts::of(&shop).await;
        Self { shop, sale, alices_order: order.to_string(), before }
    }

    /// Nothing was counted, the process lives, and it still sells.
    async fn prove_unharmed(mut self) {
        assert_eq!(Counts::of(&self.shop).await, self.before, "bad input went further than the gateway");
        assert!(self.shop.gateways[0].process.is_running());
        let good = Purchase::new(self.sale, "bob", "bob-1", QUANTITY_MAX);
        for answer in [
            self.shop.gateways[0].door().buy(&good).await,
            self.shop.gateways[0].door().buy_grpc(&good).await,
        ] {
            assert!(answer.order().is_some(), "{answer:?}");
        }
        assert_ne!(Counts::of(&self.shop).await, self.before, "the counts do count");
        let log = self.shop.gateways[0].process.log();
        assert!(!log.contains("panicked"), "{log}");
        self.shop.stop().await;
    }
}

impl Counts {
    async fn of(shop: &Deployment) -> Self {
        let scripts = "flashgate_ledger_script_seconds_count";
        Self {
            half_messages: shop.gateway_metric("flashgate_gateway_half_message_seconds_count", &[]).await,
            screenings: shop.gateway_metric(scripts, &[("script", "screen")]).await,
            deductions: shop.gateway_metric(scripts, &[("script", "deduct")]).await,
        }
    }
}

/// For messages about a table: rows that went wrong, all of them at once.
fn report(wrong: &[String], rows: usize) {
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
}
