//! The order worker alone: how quickly it takes a backlog.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep};

use super::{Bench, STOCK};
use crate::{
    load::{Aim, Load},
    plan::Measure,
    sample::Sample,
    servers::Flush,
    usage::Meter,
};

/// How often the order store is asked how far the worker is. Its answer takes a look at a few rows.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Longer than a million orders take.
const DRAIN_TIME: Duration = Duration::from_secs(300);

impl Bench {
    /// Stops the worker, lets a backlog grow, and measures from its waking until the last order is stored, with MySQL
    /// flushing to the disk at each commit.
    pub(super) async fn drain(&mut self, measure: Measure, sales: usize) -> anyhow::Result<Sample> {
        let flush = Flush::DURABLE.set(&self.shop.pool).await?;
        let is_shared = sales > 1;
        let sales =
            if is_shared { self.many_sales(sales).await? } else { self.shop.open_sales(1, STOCK).await? };
        let before = self.shop.books(&sales).await?;
        let load = Load {
            time: None,
            requests: Some(self.extent.backlog_orders()),
            ..Load::closed(self.http_target()?, Aim::Sales(sales.clone()), 256, self.load_time)
        };
        let name = self.load_name(measure);
        self.shop.worker.freeze()?;
        let filled = load.run(&name, &self.places).await;
        let meter = Meter::start(self.shop.watched())?;
        self.shop.worker.thaw()?;
        let woken = Instant::now();
        let heard = filled?;
        let backlog = heard.outcome("accepted");
        while self.shop.taken(&sales).await?.saturating_sub(before.taken) < backlog {
            ensure!(woken.elapsed() < DRAIN_TIME, "the backlog does not end");
            sleep(LOOK_INTERVAL).await;
        }
        let drained = woken.elapsed();
        let cost = meter.stop()?;
        self.shop.settle().await?;
        let mut sample = Sample { cost, ..Sample::new(measure, backlog, drained) };
        sample.outcomes.clone_from(&heard.outcomes);
        sample.blame(self.shop.books(&sales).await?.since(before).contradiction(&heard));
        if !is_shared {
            self.shop.close_sales(&sales).await?;
        }
        flush.set(&self.shop.pool).await?;
        Ok(sample)
    }
}
