//! The progress of the sale: one updated line on a terminal, else one line per second.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flashgate_domain::SaleId;
use flashgate_load::rush::Figures;
use flashgate_order_store::SaleRepository;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::acting::Endings;

/// Interval between two lines without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which the confirmed units are read from the order store.
const COUNT_INTERVAL: Duration = Duration::from_millis(100);

/// The progress line.
#[derive(Debug)]
pub(super) struct Display {
    bar: ProgressBar,
    /// When the last plain line was written.
    written: Mutex<Option<Instant>>,
    /// Units that the order store has confirmed.
    confirmed: Arc<AtomicU64>,
}

impl Display {
    pub(super) fn new() -> Self {
        // Draws to standard error, and only if that is a terminal.
        let bar = ProgressBar::no_length();
        // The template is a constant; the fallback is the default style.
        bar.set_style(
            ProgressStyle::with_template("{spinner} {elapsed:>3} {msg}")
                .unwrap_or_else(|_wrong| ProgressStyle::default_bar()),
        );
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, written: Mutex::default(), confirmed: Arc::default() }
    }

    /// Prints a permanent line.
    pub(super) fn say(&self, text: &str) {
        if self.bar.is_hidden() {
            // A failed write cannot be reported.
            let _ = writeln!(io::stderr(), "{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Reads repeatedly how many of `units` the order store has confirmed.
    pub(super) fn count_confirmed(
        &self,
        orders: Arc<impl SaleRepository>,
        sale: SaleId,
        units: u64,
    ) -> JoinHandle<()> {
        let confirmed = Arc::clone(&self.confirmed);
        tokio::spawn(async move {
            loop {
                // After a failed read the last figure stays.
                if let Ok(Some(sale)) = orders.sale(sale).await {
                    confirmed.store(units.saturating_sub(sale.saleable), Ordering::Relaxed);
                }
                sleep(COUNT_INTERVAL).await;
            }
        })
    }

    /// Shows the answers to a crowd.
    pub(super) fn show(&self, figures: &Figures) {
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        self.progress(|| {
            format!(
                "{} of {} requests, {:.0}/s · accepted {} · repeated {} · over the limit {} · sold out {} · failed {} \
                 · confirmed {confirmed}, lag {} · p50 {} p99 {}",
                figures.requests,
                figures.requests_due,
                figures.rate,
                figures.accepted,
                figures.replayed,
                figures.limited,
                figures.sold_out,
                figures.failed,
                figures.accepted.saturating_sub(confirmed),
                figures.p50,
                figures.p99,
            )
        });
    }

    /// Shows what became of orders so far.
    pub(super) fn show_endings(&self, endings: &Endings) {
        self.progress(|| endings.to_string());
    }

    /// Prints what became of orders.
    pub(super) fn say_endings(&self, endings: &Endings) {
        self.say(&endings.to_string());
        if let Some(error) = &endings.first_error {
            self.say(&format!("{} buyers failed; the first: {error}", endings.failed));
        }
    }

    /// Updates the progress line.
    pub(super) fn progress(&self, line: impl FnOnce() -> String) {
        if !self.bar.is_hidden() {
            return self.bar.set_message(line());
        }
        let mut written = self.written.lock();
        if written.is_none_or(|at| at.elapsed() >= LINE_INTERVAL) {
            *written = Some(Instant::now());
            let _ = writeln!(io::stderr(), "{}", line());
        }
    }

    /// Clears the progress line.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
