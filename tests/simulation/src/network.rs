//! Calls between processes and servers: they take time, get lost on either way, and arrive after their caller
//! gave up.
//!
//! What a call does to a server happens in a task of the network: a caller that dies or stops waiting does not
//! stop a request that has left.

mod link;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use rand::{Rng, rngs::StdRng};
use tokio::time::{Instant, sleep_until};

pub use self::link::Link;
use crate::{random::happens, trace::Trace};

/// A client notices within so long that its connection is frozen, also if it calls nobody.
const NOTICED_AFTER: Duration = Duration::from_secs(3);
/// How much later a request over a frozen connection has its effect.
const LATE_MS_MAX: u64 = 6_000;
/// And at worst.
const VERY_LATE_MS_MAX: u64 = 60_000;

/// What can happen to the calls on one server, in 1,000 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// The longest way, in each direction.
    pub latency_ms_max: u64,
    /// Calls that do not leave, and whose caller learns it.
    pub refused: u32,
    /// Requests that never arrive.
    pub request_lost: u32,
    /// Answers that never arrive.
    pub answer_lost: u32,
    /// Requests that arrive after the caller gave up.
    pub late: u32,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The request did not leave.
    NotSent,
    /// It did, and nobody knows what became of it.
    NoAnswer,
}

/// What all servers share.
pub struct Network {
    /// Learns of every request that arrives.
    pub trace: Trace,
    /// When each request left that is on its way, by its number.
    in_flight: Mutex<BTreeMap<u64, Instant>>,
    requests: AtomicU64,
    /// Whether clients keep frozen connections for ever, which is a flaw.
    keeps_frozen: AtomicBool,
    /// Looks at the world after each request that may have changed it.
    watch: OnceLock<Watch>,
}

/// Gets the name of the request.
type Watch = Box<dyn Fn(&str) + Send + Sync>;

impl Network {
    /// A network without anything on the way.
    pub fn new(trace: Trace) -> Arc<Self> {
        Arc::new(Self {
            trace,
            in_flight: Mutex::default(),
            requests: AtomicU64::new(0),
            keeps_frozen: AtomicBool::new(false),
            watch: OnceLock::new(),
        })
    }

    /// Has `watch` called after each request, with its name.
    pub fn watch(&self, watch: impl Fn(&str) + Send + Sync + 'static) {
        let _once = self.watch.set(Box::new(watch));
    }

    /// From now on no client makes another connection when its own is frozen.
    pub fn never_reconnect(&self) {
        self.keeps_frozen.store(true, Ordering::Relaxed);
    }

    /// How many requests have been on their way for longer than `age`.
    pub fn in_flight_for(&self, age: Duration) -> usize {
        let in_flight = self.in_flight.lock();
        in_flight.values().filter(|left| left.elapsed() > age).count()
    }

    fn has_left(&self) -> u64 {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.lock().insert(number, Instant::now());
        number
    }

    fn has_ended(&self, number: u64) {
        self.in_flight.lock().remove(&number);
    }
}

/// A server: its state, and how well it can be reached.
pub struct Server<S> {
    name: &'static str,
    network: Arc<Network>,
    state: Mutex<S>,
    sky: Mutex<Sky>,
}

struct Sky {
    weather: Weather,
    stalled_until: Instant,
    /// When the connections that were open then froze.
    frozen_at: Option<Instant>,
    random: StdRng,
}

/// What will become of one call.
struct Fate {
    refused: bool,
    there: Duration,
    back: Duration,
    request_lost: bool,
    answer_lost: bool,
    /// Whether the caller learns of a loss at once (the connection broke) or by waiting.
    at_once: bool,
}

impl<S: Send + 'static> Server<S> {
    /// A server in fine weather.
    pub fn new(name: &'static str, network: Arc<Network>, state: S, random: StdRng) -> Arc<Self> {
        let sky = Sky { weather: Weather::default(), stalled_until: Instant::now(), frozen_at: None, random };
        Arc::new(Self { name, network, state: Mutex::new(state), sky: Mutex::new(sky) })
    }

    /// Its state. Never held across an await.
    pub fn state(&self) -> MutexGuard<'_, S> {
        self.state.lock()
    }

    /// The network that it is on.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn sky(&self) -> MutexGuard<'_, Sky> {
        self.sky.lock()
    }

    /// Changes the weather.
    pub fn set_weather(&self, weather: Weather) {
        self.sky().weather = weather;
    }

    /// Requests that arrive wait for so long from now.
    pub fn stall(&self, duration: Duration) {
        self.sky().stalled_until = Instant::now() + duration;
    }

    /// Freezes the connections that are open now.
    pub fn freeze(&self) {
        self.sky().frozen_at = Some(Instant::now());
    }

    /// Whether a connection that was made then is frozen.
    fn is_frozen(&self, connected_at: Instant) -> bool {
        self.sky().frozen_at.is_some_and(|frozen_at| connected_at <= frozen_at)
    }

    /// Whether clients have noticed the last freeze by themselves, without a call that timed out.
    fn is_noticed(&self) -> bool {
        let noticed = self.sky().frozen_at.is_none_or(|frozen_at| frozen_at.elapsed() > NOTICED_AFTER);
        noticed && !self.network.keeps_frozen.load(Ordering::Relaxed)
    }

    /// When a request over a frozen connection arrives: some time later, or never.
    fn late_effect(&self) -> Option<Duration> {
        let random = &mut self.sky().random;
        let longest = if happens(random, 50) { VERY_LATE_MS_MAX } else { LATE_MS_MAX };
        (!happens(random, 400)).then(|| Duration::from_millis(random.random_range(0..longest)))
    }

    /// Waits while it is stalled.
    pub async fn ready(&self) {
        loop {
            let until = self.sky().stalled_until;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// A moment on the way.
    pub fn some_latency(&self) -> Duration {
        let mut sky = self.sky();
        let longest = sky.weather.latency_ms_max;
        Duration::from_millis(sky.random.random_range(0..=longest))
    }

    fn fate(&self, patience: Duration) -> Fate {
        let mut sky = self.sky();
        let Sky { weather, random, .. } = &mut *sky;
        let mut way = || Duration::from_millis(random.random_range(0..=weather.latency_ms_max));
        let (there, back) = (way(), way());
        let refused = happens(random, weather.refused);
        let request_lost = happens(random, weather.request_lost);
        let answer_lost = happens(random, weather.answer_lost);
        let at_once = random.random_bool(0.5);
        let delay = match happens(random, weather.late) {
            true => patience + Duration::from_millis(random.random_range(0..5_000)),
            false => Duration::ZERO,
        };
        Fate { refused, there: there + delay, back, request_lost, answer_lost, at_once }
    }
}
