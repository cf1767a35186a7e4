//! A deployment on simulated servers: does what a history says, heals, and runs until nothing is left to do.

mod asking;
mod healing;
mod operator;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use flashgate_domain::{DeductPolicy, SaleFields, SaleId};
use flashgate_order_worker::config::ConsumeConfig;
use rand::{Rng, rngs::StdRng};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::{
    audit::Auditor,
    broker::keep_checking,
    buyers::{Attempt, Buyers},
    check::{self, Complaint, Timeouts},
    clock::START,
    flaw::Flaw,
    gateway::{self, Front, GatewayPlan},
    history::{GATEWAYS, History, Operation, SALES, WORKERS},
    ledger::Order,
    life::Life,
    network::Network,
    orders::Requests,
    process::Process,
    provider::deliver,
    random::stream,
    repair::{Repair, Repairer},
    servers::Servers,
    stranger,
    worker::{self, WorkerPlan},
};

/// How long a gateway is down in a blackout.
const RESTARTED_AFTER: Duration = Duration::from_millis(10);
/// How long after it the last buyers ask again, and how many of them.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(500);
const ASKED_AGAIN_MAX: usize = 6;

/// The deployment.
pub struct World {
    /// Its servers.
    pub servers: Arc<Servers>,
    /// Its gateways.
    pub gateways: Vec<Arc<Process<Front>>>,
    workers: Vec<Arc<Process<()>>>,
    /// Its buyers.
    pub buyers: Arc<Buyers>,
    /// What is asked about orders.
    pub requests: Arc<Requests>,
    /// What it sells.
    pub sales: Vec<SaleId>,
    /// What was found wrong first.
    pub complaint: Arc<Complaint>,
    /// Somebody else's gateway.
    stranger: Arc<Process<()>>,
    plans: Vec<GatewayPlan>,
    worker_plans: Vec<WorkerPlan>,
    operator: Arc<Life>,
    /// Who audits.
    pub auditor: Auditor,
    /// Who repairs.
    pub repairer: Repairer,
    /// How many restocks the operator has asked for.
    restocks: u64,
    /// The audits and repairs that have not ended.
    at_work: TaskTracker,
    random: StdRng,
    /// What becomes of unpaid orders.
    pub timeouts: Timeouts,
    /// Whether a return is never given up too early, by a wrong clock.
    has_right_clocks: bool,
}

impl World {
    /// A deployment with its sales in the order store, and everything started.
    pub fn new(history: &History, network: &Arc<Network>, flaw: Option<Flaw>) -> anyhow::Result<Self> {
        let (setup, seed) = (&history.setup, history.seed);
        let servers = Servers::new(Arc::clone(network), setup, seed)?;
        if flaw == Some(Flaw::NoReconnect) {
            network.never_reconnect();
        }
        if flaw == Some(Flaw::LooseTransactions) {
            servers.store.state().loosen();
        }
        servers.store.state().break_by(flaw);
        match flaw {
            Some(Flaw::StuckRows) => servers.store.state().stick(),
            Some(Flaw::EntryFirst) => servers.ledger.state().write_in(Order::EntryFirst),
            Some(Flaw::AcknowledgedLast) => servers.ledger.state().write_in(Order::AcknowledgedLast),
            Some(Flaw::MarkedLast) => servers.ledger.state().write_in(Order::MarkedLast),
            Some(Flaw::TimersForgotten) => servers.broker.state().forget_timers(),
            Some(_) | None => {}
        }
        let mut sales = Vec::new();
        for (number, stock) in setup.stock.iter().enumerate() {
            sales.push(put_up(history, &servers, number, *stock)?);
        }
        let batcher = || setup.batcher.clone();
        let plan = |number| GatewayPlan {
            batcher: batcher(),
            ahead_ms: setup.gateways_ahead_ms[number],
            seed,
            flaw,
        };
        let sweep_interval_ms = setup.payment.sweep_interval_ms;
        let has_payments = setup.payment.provider.is_some();
        let worker_plan = |ahead_ms| WorkerPlan {
            config: ConsumeConfig::default(),
            sweep_interval_ms,
            ahead_ms,
            has_payments,
            ship_when_paid: history.seed % 4 == 1,
            flaw,
        };
        let complaint = Arc::new(Complaint::default());
        check::watch(&servers, &complaint);
        tokio::spawn(keep_checking(Arc::clone(&servers.broker), Arc::new(servers.clock)));
        let operator = Arc::new(Life::new("operator".to_owned(), servers.next_life()));
        if has_payments {
            let provider = Arc::new(Life::new("provider".to_owned(), servers.next_life()));
            tokio::spawn(deliver(Arc::clone(&servers), provider, Arc::clone(&complaint)));
        }
        let world = Self {
            gateways: (0..GATEWAYS).map(|number| Process::new("gateway", number)).collect(),
            workers: (0..WORKERS).map(|number| Process::new("worker", number)).collect(),
            stranger: Process::new("stranger", 0),
            plans: (0..GATEWAYS).map(plan).collect(),
            buyers: Arc::default(),
            requests: Arc::default(),
            repairer: Repairer::new(&servers, &operator, &complaint, flaw),
            restocks: 0,
            at_work: TaskTracker::new(),
            auditor: Auditor::new(&servers, &operator, flaw),
            operator,
            worker_plans: setup.workers_ahead_ms.map(worker_plan).to_vec(),
            random: stream(seed, "world"),
            timeouts: Timeouts::of(setup),
            has_right_clocks: setup.has_right_clocks(),
            servers,
            sales,
            complaint,
        };
        world.start_all();
        if let Some(which) = setup.stranger {
            stranger::start(&world.stranger, &world.servers, which, flaw);
        }
        Ok(world)
    }

    /// Does everything that the history says; stops at the first complaint.
    pub async fn live(&mut self, history: &History) {
        // So that the first sale is up, mostly.
        sleep(Duration::from_millis(self.random.random_range(0..50))).await;
        for step in &history.steps {
            sleep(Duration::from_millis(step.after_ms)).await;
            if self.complaint.is_raised() {
                return;
            }
            self.perform(step.operation);
        }
        // Lets the last operations come to something before everything is mended.
        sleep(Duration::from_millis(self.random.random_range(0..3_000))).await;
    }

    /// Whether paid orders are shipped by themselves.
    pub fn ships_when_paid(&self) -> bool {
        self.worker_plans.iter().any(|plan| plan.ship_when_paid)
    }

    fn perform(&mut self, operation: Operation) {
        let servers = Arc::clone(&self.servers);
        let note = |what: Operation| servers.network.trace.note(format_args!("{what:?}"));
        match operation {
            Operation::Buy { buyer, key, sale, quantity, gateway, patience_ms } => {
                let purchase = (self.sale(sale), format!("buyer-{buyer}"), format!("key-{key}"));
                self.ask(gateway, purchase, quantity, Duration::from_millis(patience_ms));
                return;
            }
            Operation::KillGateway(number, crossings) => self.gateway(number).kill(crossings),
            Operation::KillWorker(number, crossings) => self.worker(number).kill(crossings),
            Operation::LeaveGateway(number) => self.gateway(number).tell_to_leave(),
            Operation::LeaveWorker(number) => self.worker(number).tell_to_leave(),
            Operation::StartGateway(number) => self.start_gateway(number),
            Operation::StartWorker(number) => self.start_worker(number),
            Operation::FailOver(writes) => self.servers.ledger.state().fail_over(writes),
            Operation::Blackout(writes) => self.black_out(writes),
            Operation::BreakOff(script, writes) => self.servers.ledger.state().break_off(script, writes),
            Operation::StallLedger(millis) => self.servers.ledger.stall(Duration::from_millis(millis)),
            Operation::StallBroker(millis) => self.servers.broker.stall(Duration::from_millis(millis)),
            Operation::StallStore(millis) => self.servers.store.stall(Duration::from_millis(millis)),
            Operation::Freeze(part) => self.servers.freeze(part),
            Operation::Zombie(zombie) => self.servers.store.state().next_is(zombie),
            Operation::Change(weather) => self.servers.set_weather(weather),
            Operation::Rebalance => self.servers.broker.state().rebalance(),
            Operation::Restock { sale, units } => self.restock(self.sale(sale), units),
            Operation::Close(sale) => self.operate("close", self.sale(sale)),
            Operation::Preheat(sale) => self.operate("preheat", self.sale(sale)),
            Operation::Audit(sale) => self.audit(self.sale(sale)),
            Operation::Redrive { sale, age_ms } => {
                self.repair(self.sale(sale), Repair::Redrive(Duration::from_millis(age_ms)));
            }
            Operation::Compensate(sale) => self.repair(self.sale(sale), Repair::Drift),
            Operation::Rebuild { sale, quiet_ms } => {
                let quiet = Duration::from_millis(quiet_ms);
                self.repair(self.sale(sale), Repair::Rebuild { pause: false, quiet });
            }
            Operation::Request(request) => {
                self.request(request);
                return;
            }
            Operation::StallProvider(millis) => self.servers.provider.stall(Duration::from_millis(millis)),
            Operation::FreezeProvider => self.servers.provider.freeze(),
        }
        note(operation);
    }

    fn ask(&self, gateway: usize, purchase: crate::buyers::Purchase, quantity: u32, patience: Duration) {
        let (network, gateway) = (&self.servers.network, self.gateway(gateway));
        let _asked = self.buyers.ask(network, gateway, purchase, quantity, patience);
    }

    fn start_all(&self) {
        (0..WORKERS).for_each(|number| self.start_worker(number));
        (0..GATEWAYS).for_each(|number| self.start_gateway(number));
    }

    /// The ledger fails over, and the gateways that could tell how far it was are gone. The last buyers ask again, under
    /// the same keys.
    fn black_out(&self, writes: usize) {
        self.servers.ledger.state().fail_over(writes);
        for (process, plan) in self.gateways.iter().zip(&self.plans) {
            process.kill(0);
            let (process, servers, plan) = (Arc::clone(process), Arc::clone(&self.servers), plan.clone());
            tokio::spawn(async move {
                sleep(RESTARTED_AFTER).await;
                gateway::start(&process, &servers, plan);
            });
        }
        let again: Vec<Attempt> = self.buyers.attempts().into_iter().rev().take(ASKED_AGAIN_MAX).collect();
        let (buyers, gateways) = (Arc::clone(&self.buyers), self.gateways.clone());
        let network = Arc::clone(&self.servers.network);
        tokio::spawn(async move {
            sleep(ASKED_AGAIN_AFTER).await;
            for (Attempt { purchase, quantity, .. }, gateway) in
                again.into_iter().zip(gateways.iter().cycle())
            {
                let _asked = buyers.ask(&network, gateway, purchase, quantity, Duration::from_secs(20));
            }
        });
    }

    fn start_gateway(&self, number: usize) {
        if let Some(plan) = self.plans.get(number) {
            gateway::start(self.gateway(number), &self.servers, plan.clone());
        }
    }

    fn start_worker(&self, number: usize) {
        if let Some(plan) = self.worker_plans.get(number) {
            worker::start(self.worker(number), &self.servers, plan.clone());
        }
    }

    fn gateway(&self, number: usize) -> &Arc<Process<Front>> {
        &self.gateways[number % self.gateways.len()]
    }

    fn worker(&self, number: usize) -> &Arc<Process<()>> {
        &self.workers[number % self.workers.len()]
    }

    fn sale(&self, number: usize) -> SaleId {
        self.sales[number % self.sales.len()]
    }
}

/// Puts a sale into the order store; all but the last are to be preheated at once.
/// A third of the sales take their units when orders are shipped.
fn policy(seed: u64, number: usize) -> DeductPolicy {
    let is_third = u64::try_from(number).is_ok_and(|number| (seed / 8 + number).is_multiple_of(3));
    if is_third { DeductPolicy::AtPayment } else { DeductPolicy::AtOrder }
}

fn put_up(history: &History, servers: &Servers, number: usize, stock: u64) -> anyhow::Result<SaleId> {
    let (setup, mut state) = (&history.setup, servers.store.state());
    let lasts = if number == 0 { setup.closes_after_ms } else { 86_400_000 };
    let fields = SaleFields {
        title: "A thing".to_owned(),
        price_minor: setup.payment.price_minor[number],
        currency: "EUR".to_owned(),
        opens_at: START,
        closes_at: START.saturating_add(Duration::from_millis(lasts)),
        stock,
        limit_per_buyer: setup.limit,
        quantity_max: setup.limit,
        pay_within: Duration::from_millis(setup.payment.pay_within_ms[number]),
        deduct_policy: policy(history.seed, number),
    };
    let sale = state.create_sale(&fields.check()?).context("a sale")?;
    let late = number + 1 == SALES && history.seed.is_multiple_of(3);
    if !late {
        state.preheat_sale(sale.id).context("a sale")?;
    }
    Ok(sale.id)
}
