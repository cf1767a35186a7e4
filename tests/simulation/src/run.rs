//! Runs one history, in a runtime of its own with a clock that stands still unless everybody waits.

use std::{cell::RefCell, panic, sync::Once};

use tokio::runtime::Builder;

use crate::{
    audit::Audits,
    buyers::Heard,
    check::{self, Paid, Walks, finally},
    flaw::Flaw,
    history::History,
    network::Network,
    repair::Repairs,
    trace::Trace,
    world::World,
};

/// How to run a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether to keep the trace as text.
    pub keeps_trace: bool,
    /// What is broken on purpose.
    pub flaw: Option<Flaw>,
}

/// How a history ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The hash of its trace: the same for the same seed.
    pub hash: u64,
    /// How many events it had.
    pub events: u64,
    /// What was wrong; `None` if all was well.
    pub complaint: Option<String>,
    /// Its trace, if it was kept.
    pub trace: String,
    /// How many requests buyers made.
    pub asked: usize,
    /// How many of them were accepted.
    pub accepted: usize,
    /// What became of the orders after they were confirmed.
    pub orders: Walks,
    /// What was paid through the provider.
    pub paid: Paid,
    /// What its audits came to.
    pub audits: Audits,
    /// What its repairs came to.
    pub repairs: Repairs,
    /// How often a worker was told that others hold the rows of sales.
    pub blocked: u64,
}

thread_local! {
    /// The first panic of a task in this thread's history.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A task that panics is a complaint, and not noise.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_task = tokio::runtime::Handle::try_current().is_ok();
            if is_task {
                PANIC.with_borrow_mut(|first| {
                    first.get_or_insert_with(|| info.to_string());
                });
            } else {
                before(info);
            }
        }));
    });
}

/// Runs `history` to its end.
pub fn run(history: &History, options: Options) -> Ended {
    watch_panics();
    PANIC.take();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(live(history, options)),
        Err(why) => Err(why.into()),
    };
    let panicked = PANIC.take();
    let mut ended = ended.unwrap_or_else(|why| Ended {
        hash: 0,
        events: 0,
        complaint: Some(format!("the simulation itself failed: {why:#}")),
        trace: String::new(),
        asked: 0,
        accepted: 0,
        orders: Walks::default(),
        paid: Paid::default(),
        audits: Audits::default(),
        repairs: Repairs::default(),
        blocked: 0,
    });
    ended.complaint = panicked.map(|what| format!("a task panicked: {what}")).or(ended.complaint);
    ended
}

async fn live(history: &History, options: Options) -> anyhow::Result<Ended> {
    let network = Network::new(Trace::new(options.keeps_trace));
    let mut world = World::new(history, &network, options.flaw)?;
    world.live(history).await;
    let complaint = match judge(&mut world).await {
        Ok(()) => world.complaint.take(),
        Err(wrong) => Some(world.complaint.take().unwrap_or_else(|| format!("{wrong:#}"))),
    };
    if let Some(complaint) = &complaint {
        network.trace.note(format_args!("WRONG: {complaint}"));
    }
    let attempts = world.buyers.attempts();
    let accepted = |heard: &Heard| matches!(heard, Heard::Answer(flashgate_domain::Verdict::Accepted(_)));
    let (hash, events) = network.trace.digest();
    let (orders, paid, blocked) = {
        let store = world.servers.store.state();
        (Walks::of(&store), Paid::of(&store), store.blocked())
    };
    Ok(Ended {
        hash,
        events,
        complaint,
        trace: network.trace.text(),
        asked: attempts.len(),
        orders,
        paid,
        audits: world.auditor.audits(),
        repairs: world.repairer.tally(),
        blocked,
        accepted: attempts.iter().filter(|attempt| accepted(&attempt.heard)).count(),
    })
}

/// Heals the world, has buyers ask again, and looks at everything.
async fn judge(world: &mut World) -> anyhow::Result<()> {
    world.heal().await?;
    let asked_before = world.buyers.attempts().len();
    world.ask_again().await?;
    world.request_again().await?;
    if world.complaint.is_raised() {
        return Ok(());
    }
    finally(world, asked_before)?;
    world.audit_each(check::agrees).await
}
