//! Hours of steady load: whether memory grows without end, orders get lost, or answers get slower.

use std::{fs, io::Write, path::Path, pin::pin, time::Duration};

use anyhow::{Context, ensure};
use clap::Args;
use tokio::{
    select,
    time::{Instant, interval},
};

use crate::{
    books::redis_bytes,
    deployment::{Deployment, Places},
    load::{Aim, Load, LoadReport},
    number::{float, short},
    say,
    servers::Servers,
    usage::resident_bytes,
};

/// How long to sell, and how much.
#[derive(Debug, Args)]
pub struct Soak {
    /// How long, in minutes
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// Purchases a second. An order takes about 300 bytes of Redis for as long as its sale is kept
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// Between two looks at memory, in seconds
    #[arg(long, default_value_t = 30)]
    look_seconds: u32,
}

/// What processes hold at one moment, in bytes.
struct Held {
    at: Duration,
    gateway: u64,
    worker: u64,
    redis: u64,
    open_orders: u64,
}

impl Soak {
    /// Sells, looks, and compares the stores with the answers at the end.
    pub async fn run(self, servers: Servers, places: Places, out: &Path) -> anyhow::Result<()> {
        let mut shop = Deployment::start("bench", &servers, &places).await?;
        shop.add_gateway("").await?;
        let sales = shop.open_sales(1, 1_000_000_000).await?;
        let before = shop.books(&sales).await?;
        let target =
            shop.gateways.first().map(|gateway| format!("http://{}", gateway.http)).context("a gateway")?;
        let time = Duration::from_secs(60 * u64::from(self.minutes));
        let load =
            Load { rate: Some(self.rate), ..Load::closed(target, Aim::Sales(sales.clone()), 256, time) };
        let mut looks = Vec::new();
        let report = self.sell(&load, &mut shop, &places, &mut looks).await?;
        shop.settle().await?;
        let sold = shop.books(&sales).await?.since(before);
        for extension in ["json", "html"] {
            let report = places.work.join("load").join("soak").with_extension(extension);
            fs::copy(&report, out.join("soak").with_extension(extension))?;
        }
        write_looks(&looks, &out.join("soak.csv"))?;
        shop.stop().await?;
        let contradiction = sold.contradiction(&report);
        say(&format!(
            "{} accepted, {} ms at p99, {} unsent; stores: {}",
            report.outcome("accepted"),
            short(float(report.accepted_us.p99) / 1_000.0),
            report.unsent,
            contradiction.as_deref().unwrap_or("the same"),
        ))?;
        ensure!(contradiction.is_none(), "the stores contradict the answers");
        Ok(())
    }

    async fn sell(
        &self,
        load: &Load,
        shop: &mut Deployment,
        places: &Places,
        looks: &mut Vec<Held>,
    ) -> anyhow::Result<LoadReport> {
        let began = Instant::now();
        let mut ticks = interval(Duration::from_secs(u64::from(self.look_seconds.max(1))));
        let mut loading = pin!(load.run("soak", places));
        loop {
            select! {
                report = &mut loading => return report,
                _ = ticks.tick() => {
                    let held = look(shop, began.elapsed()).await?;
                    say(&held.line())?;
                    looks.push(held);
                }
            }
        }
    }
}

async fn look(shop: &mut Deployment, at: Duration) -> anyhow::Result<Held> {
    shop.must_run()?;
    let gateway = shop.gateways.first().context("a gateway")?.process.pid();
    Ok(Held {
        at,
        gateway: resident_bytes(gateway)?,
        worker: resident_bytes(shop.worker.pid())?,
        redis: redis_bytes(&mut shop.redis).await?,
        open_orders: shop.open_orders().await?,
    })
}

impl Held {
    fn line(&self) -> String {
        let mb = |bytes: u64| short(float(bytes) / 1e6);
        format!(
            "{:>6} s  gateway {} MB, worker {} MB, Redis {} MB, {} orders open",
            self.at.as_secs(),
            mb(self.gateway),
            mb(self.worker),
            mb(self.redis),
            self.open_orders
        )
    }
}

fn write_looks(looks: &[Held], path: &Path) -> anyhow::Result<()> {
    let mut file = fs::File::create(path)?;
    writeln!(file, "seconds,gateway_bytes,worker_bytes,redis_bytes,open_orders")?;
    for Held { at, gateway, worker, redis, open_orders } in looks {
        writeln!(file, "{},{gateway},{worker},{redis},{open_orders}", at.as_secs())?;
    }
    Ok(())
}
