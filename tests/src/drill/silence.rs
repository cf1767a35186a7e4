//! Connections that freeze for good, and servers that swap roles: after each, all must work again without a restart.

mod probe;

use std::{collections::BTreeMap, fmt, mem, time::Duration};

use flashgate_domain::SaleId;
use futures::future::join_all;
use rand::{Rng, rngs::StdRng, seq::SliceRandom};
use tokio::time::{Instant, sleep};

use super::{BUYERS, Field, PATIENCE, SELLS, STOCK, sells};
use crate::{
    crowd::Heard,
    deployment::Deployment,
    door::Door,
    lines::Between,
    mysql_pair::MysqlPair,
    operator::SaleForm,
    own_stack::OwnStack,
    proxy::{Line, Proxy},
    redis_pair::RedisPair,
    rush::Rush,
};

/// From a blow until everything must work again.
const HEAL_TIME: Duration = Duration::from_secs(30);
/// A buyer asks again when a gateway has not answered for so long.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Each piece is so late while a blow is prepared: then it falls in the middle of calls and transactions.
const SLOW: Duration = Duration::from_millis(20);

/// What is done to a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// Every open connection of a pair is frozen for good.
    Freeze(Between),
    /// Every open connection of every pair.
    FreezeAll,
    /// Redis' primary becomes a replica, and new connections lead to the new primary. Old ones stay.
    RedisDemoted,
    /// The same, and the old primary's connections are frozen for good: its host is lost.
    RedisLost,
    /// MySQL's primary becomes read-only, and new connections lead to the new primary. Old ones stay.
    MysqlDemoted,
    /// The same, and the old primary's connections are frozen for good.
    MysqlLost,
}

impl Blow {
    /// Every blow at one pair, in a random order, and then the one at all.
    fn round(random: &mut StdRng) -> Vec<Self> {
        let switches = [Self::RedisDemoted, Self::RedisLost, Self::MysqlDemoted, Self::MysqlLost];
        let mut blows: Vec<Self> = Between::ALL.map(Self::Freeze).into_iter().chain(switches).collect();
        blows.shuffle(random);
        blows.push(Self::FreezeAll);
        blows
    }

    /// The lines whose connections it freezes, or leads elsewhere.
    fn lines(self) -> Vec<Between> {
        match self {
            Self::Freeze(between) => vec![between],
            Self::FreezeAll => Between::ALL.to_vec(),
            Self::RedisDemoted | Self::RedisLost => vec![Between::GatewaysAndRedis],
            Self::MysqlDemoted | Self::MysqlLost => vec![Between::WorkersAndMysql],
        }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Freeze(between) => write!(f, "freeze {between}"),
            Self::FreezeAll => f.write_str("freeze everything"),
            Self::RedisDemoted => f.write_str("Redis demoted"),
            Self::RedisLost => f.write_str("Redis demoted and lost"),
            Self::MysqlDemoted => f.write_str("MySQL demoted"),
            Self::MysqlLost => f.write_str("MySQL demoted and lost"),
        }
    }
}

/// A deployment with a proxy between each pair of processes, and a replica of Redis and of MySQL.
pub struct Silence {
    // Dropped in this order.
    field: Field,
    redis: RedisPair,
    mysql: MysqlPair,
}

/// What each blow came to: for how long not everything worked, or what did not work again in time.
#[derive(Clone, Debug, Default)]
pub struct Silences {
    blows: BTreeMap<String, Vec<Result<Duration, String>>>,
    orders: usize,
}

impl Silence {
    /// Two gateways and two workers on servers of their own.
    ///
    /// # Panics
    /// If something does not come up.
    pub async fn new() -> Self {
        let servers = OwnStack::durable().await;
        let mysql = MysqlPair::of(&servers.mysql_url()).await;
        let plan = Deployment::of("silence").on(servers.stack()).gateways(2).workers(2);
        let shop = plan.own_redis().every_proxy().start().await;
        let primary = shop.redis.as_ref().expect("a Redis of its own");
        let redis = RedisPair::of(primary, shop.folder()).await;
        Self { field: Field { shop, servers }, redis, mysql }
    }

    /// Strikes every blow once in each of `rounds`, in an order and at moments chosen by `random`, while buyers buy. What
    /// does not work again in time is noted, and everything is restarted. At the end of a round the books must agree.
    ///
    /// # Panics
    /// If a law is broken, or the deployment does not even work again after a restart.
    pub async fn drill(
        &mut self,
        rounds: usize,
        random: &mut StdRng,
        mut progress: impl FnMut(String),
    ) -> Silences {
        let mut silences = Silences::default();
        for round in 1..=rounds {
            let sale = self.field.shop.open_sale(SaleForm::of_stock(STOCK)).await;
            let rush = Rush::start_patient(sale, &self.doors(), BUYERS, PATIENCE);
            let mut heard = Vec::new();
            for blow in Blow::round(random) {
                sells(&rush, random.random_range(SELLS..5 * SELLS)).await;
                let (healed, probes) = self.blow(blow, sale).await;
                match &healed {
                    Ok(took) => progress(format!("[{round}/{rounds}] {blow}: {:.1} s", took.as_secs_f64())),
                    Err(what) => progress(format!("[{round}/{rounds}] {blow}: NOT HEALED: {what}")),
                }
                silences.blows.entry(blow.to_string()).or_default().push(healed);
                heard.extend(probes);
                sells(&rush, SELLS).await;
            }
            heard.extend(rush.end().await);
            silences.orders += self.books(sale, heard).await;
            progress(format!("the books agree: {} orders", silences.orders));
        }
        silences
    }

    /// Buyers' ways in, through the proxies.
    fn doors(&self) -> Vec<Door> {
        let shop = &self.field.shop;
        let ways = shop.gateways.iter().zip(shop.line(Between::BuyersAndGateways));
        ways.map(|(gateway, proxy)| gateway.door().over(proxy.address()).hurried(ANSWER_TIME)).collect()
    }

    /// Strikes, and waits until everything works again: by itself, or after a restart once the time for it is over.
    async fn blow(&mut self, blow: Blow, sale: SaleId) -> (Result<Duration, String>, Vec<Heard>) {
        self.slow(blow, Line::Slow(SLOW));
        sleep(10 * SLOW).await;
        let frozen = self.strike(blow).await;
        self.slow(blow, Line::Open);
        let struck = Instant::now();
        let mut probes = probe::Probes::start(&self.field.shop, sale, blow.lines());
        let healed = match probes.within(HEAL_TIME).await {
            Ok(()) if frozen == 0 => Err("no connection was open, so this shows nothing".to_owned()),
            Ok(()) => Ok(struck.elapsed()),
            Err(what) => {
                self.restart_all().await;
                Err(what)
            }
        };
        (healed, probes.end(PATIENCE).await)
    }

    fn slow(&self, blow: Blow, line: Line) {
        blow.lines()
            .into_iter()
            .flat_map(|between| self.field.shop.line(between))
            .for_each(|proxy| proxy.set(line));
    }

    /// How many connections it hit; 0 only if none was open for a long time. A process may be replacing one that has been
    /// silent.
    async fn strike(&mut self, blow: Blow) -> usize {
        let given_up = Instant::now() + HEAL_TIME;
        let hit = loop {
            let hit = self.hit(blow);
            if hit > 0 || Instant::now() > given_up {
                break hit;
            }
            sleep(SLOW).await;
        };
        // After it: clients leave a primary that became a replica, and nothing would be left to be frozen.
        match blow {
            Blow::RedisDemoted | Blow::RedisLost => self.switch_redis().await,
            Blow::MysqlDemoted | Blow::MysqlLost => self.switch_mysql().await,
            Blow::Freeze(_) | Blow::FreezeAll => {}
        }
        hit
    }

    fn hit(&self, blow: Blow) -> usize {
        let lines = blow.lines().into_iter().flat_map(|between| self.field.shop.line(between));
        match blow {
            Blow::RedisDemoted | Blow::MysqlDemoted => lines.map(Proxy::connections).sum(),
            Blow::RedisLost | Blow::MysqlLost | Blow::Freeze(_) | Blow::FreezeAll => {
                lines.map(Proxy::freeze).sum()
            }
        }
    }

    async fn switch_redis(&mut self) {
        let shop = &mut self.field.shop;
        let primary = shop.redis.as_mut().expect("a Redis of its own");
        self.redis.switch_over(primary).await;
        let (address, url) = (primary.address(), primary.url());
        shop.line(Between::GatewaysAndRedis).iter().for_each(|proxy| proxy.lead_to(address));
        shop.stock = shop.stock.on(&url);
    }

    async fn switch_mysql(&mut self) {
        self.mysql.switch_over().await;
        let shop = &mut self.field.shop;
        let store = shop.store.on(self.mysql.url()).await;
        let address = store.address();
        shop.line(Between::WorkersAndMysql).iter().for_each(|proxy| proxy.lead_to(address));
        shop.store = store;
    }

    /// SIGKILL to every gateway and worker, and a start. What is frozen is closed: else a server may keep what the dead
    /// held.
    async fn restart_all(&mut self) {
        let shop = &mut self.field.shop;
        let lines = Between::ALL.into_iter().flat_map(|between| shop.line(between));
        lines.for_each(Proxy::close_frozen);
        let gateways = shop.gateways.iter_mut().map(|gateway| &mut gateway.process);
        let workers = shop.workers.iter_mut().map(|worker| &mut worker.process);
        let running = gateways.chain(workers).filter_map(|process| process.is_running().then_some(process));
        join_all(running.map(|process| process.kill())).await;
        for worker in &mut shop.workers {
            worker.start();
            worker.ready().await;
        }
        for gateway in &mut shop.gateways {
            gateway.start();
            gateway.ready().await;
        }
    }

    /// Checks every sale that was bought from; how many orders they have.
    async fn books(&self, sale: SaleId, heard: Vec<Heard>) -> usize {
        let (main, mut others): (Vec<Heard>, Vec<Heard>) =
            heard.into_iter().partition(|heard| heard.purchase.sale == sale);
        let mut orders = self.field.books(sale, main).await.orders;
        while let Some(next) = others.first().map(|heard| heard.purchase.sale) {
            let (this, rest) =
                mem::take(&mut others).into_iter().partition(|heard| heard.purchase.sale == next);
            orders += self.field.books(next, this).await.orders;
            others = rest;
        }
        orders
    }

    /// Stops everything in order.
    pub async fn stop(self) {
        let Self { field, mut redis, mysql } = self;
        field.stop().await;
        redis.kill_now();
        drop(mysql);
    }
}

impl Silences {
    /// The blows after which not everything worked again.
    pub fn failures(&self) -> usize {
        self.blows.values().flatten().filter(|blow| blow.is_err()).count()
    }
}

impl fmt::Display for Silences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (blow, results) in &self.blows {
            let healed: Vec<Duration> =
                results.iter().filter_map(|result| result.as_ref().ok()).copied().collect();
            let longest = healed.iter().max().copied().unwrap_or_default().as_secs_f64();
            writeln!(f, "{blow:32} healed {} of {}, {longest:.1} s at most", healed.len(), results.len())?;
        }
        write!(f, "{} orders, each confirmed once", self.orders)
    }
}
