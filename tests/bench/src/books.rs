//! What the stores say was sold, beside what the buyers heard.

use std::time::Duration;

use anyhow::{Context, ensure};
use flashgate_domain::SaleId;
use flashgate_ledger::Observing;
use redis::aio::MultiplexedConnection;
use serde::Serialize;
use sqlx::Row;
use tokio::time::{Instant, sleep};

use crate::{deployment::Deployment, load::LoadReport};

/// Longer than the broker takes to ask for batches whose commits were lost, several times over.
const SETTLE_TIME: Duration = Duration::from_secs(90);
/// How often the stores are asked while something is open.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Units of some sales. The load asks for one a purchase, so units are orders.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Books {
    /// Deducted in the ledger.
    pub deducted: u64,
    /// Taken in the order store.
    pub taken: u64,
    /// Orders in the order store.
    pub orders: u64,
}

impl Deployment {
    /// Orders that are accepted and not settled.
    pub async fn open_orders(&mut self) -> anyhow::Result<u64> {
        // One shard, and no gateway of another deployment has the prefix.
        let key = format!("{}:{{s0}}:open_orders", self.prefix);
        let open: Option<u64> = redis::cmd("GET").arg(key).query_async(&mut self.redis).await?;
        Ok(open.unwrap_or(0))
    }

    /// Waits until everything that was accepted is settled.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        let mut moved_at = Instant::now();
        let mut last = self.open_orders().await?;
        while last > 0 {
            sleep(LOOK_INTERVAL).await;
            let open = self.open_orders().await?;
            if open != last {
                (last, moved_at) = (open, Instant::now());
            }
            ensure!(moved_at.elapsed() < SETTLE_TIME, "{open} orders stay open");
        }
        Ok(())
    }

    /// The orders of sales whose ids are a row of numbers.
    async fn orders(&self, sales: &[SaleId]) -> anyhow::Result<u64> {
        let (Some(first), Some(last)) = (sales.first(), sales.last()) else { return Ok(0) };
        let query = sqlx::query(include_str!("../sql/sales_orders.sql")).bind(first.get()).bind(last.get());
        let orders: i64 = query.fetch_one(&self.pool).await?.try_get("orders")?;
        Ok(u64::try_from(orders)?)
    }

    /// The units of sales that the order store has given, without a look at the orders.
    pub async fn taken(&self, sales: &[SaleId]) -> anyhow::Result<u64> {
        let (Some(first), Some(last)) = (sales.first(), sales.last()) else { return Ok(0) };
        let query = sqlx::query(include_str!("../sql/sales_taken.sql")).bind(first.get()).bind(last.get());
        Ok(query.fetch_one(&self.pool).await?.try_get("taken")?)
    }

    /// What both layers say of the sales.
    pub async fn books(&self, sales: &[SaleId]) -> anyhow::Result<Books> {
        let mut deducted = 0;
        for sale in sales {
            let snapshot = self.ledger.snapshot(*sale).await?;
            deducted += snapshot.with_context(|| format!("the ledger does not have {sale}"))?.totals.deducted;
        }
        let (taken, orders) = (self.taken(sales).await?, self.orders(sales).await?);
        Ok(Books { deducted, taken, orders })
    }
}

impl Books {
    /// What was sold since.
    pub const fn since(self, before: Self) -> Self {
        Self {
            deducted: self.deducted.saturating_sub(before.deducted),
            taken: self.taken.saturating_sub(before.taken),
            orders: self.orders.saturating_sub(before.orders),
        }
    }

    /// Whether the stores sold what the buyers heard; else what differs.
    pub fn contradiction(&self, heard: &LoadReport) -> Option<String> {
        let Self { deducted, taken, orders } = *self;
        let accepted = heard.outcome("accepted");
        // Whoever heard nothing, or that nobody knows, may have an order.
        let at_most = accepted + heard.outcome("unknown") + heard.outcome("failed");
        let agree = deducted == taken && taken == orders && (accepted..=at_most).contains(&orders);
        (!agree).then(|| {
            format!(
                "heard {accepted} to {at_most}, ledger {deducted}, order store {taken} units, {orders} orders"
            )
        })
    }
}

/// What Redis holds in memory.
pub async fn redis_bytes(redis: &mut MultiplexedConnection) -> anyhow::Result<u64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(redis).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).context("used_memory")?;
    Ok(line.trim().parse()?)
}
