//! Makes a history that fails shorter: leaves out operations, larger parts first, as long as it fails.

use crate::{
    history::{History, Step},
    run::{Options, run},
};

/// How many runs it may take.
const RUNS_MAX: usize = 400;

/// The shortest history that was found to fail, and how.
pub fn shrink(history: &History, options: Options) -> (History, String) {
    let mut best = history.clone();
    let mut complaint = run(&best, options).complaint.unwrap_or_default();
    let mut part = best.steps.len().div_ceil(2);
    let mut runs = 0;
    while part > 0 && runs < RUNS_MAX {
        let mut at = 0;
        let mut has_shrunk = false;
        while at < best.steps.len() && runs < RUNS_MAX {
            let shorter = History { steps: without(&best.steps, at, part), ..best.clone() };
            runs += 1;
            match run(&shorter, options).complaint {
                Some(still) => (best, complaint, has_shrunk) = (shorter, still, true),
                None => at += part,
            }
        }
        if !has_shrunk || part > 1 {
            part /= 2;
        }
    }
    (best, complaint)
}

/// The steps without some; the next one still comes when it came.
fn without(steps: &[Step], at: usize, count: usize) -> Vec<Step> {
    let end = steps.len().min(at + count);
    let (before, rest) = steps.split_at(at);
    let (left_out, after) = rest.split_at(end - at);
    let mut kept = before.to_vec();
    let pause: u64 = left_out.iter().map(|step| step.after_ms).sum();
    kept.extend(
        after.iter().enumerate().map(|(place, step)| Step {
            after_ms: step.after_ms + if place == 0 { pause } else { 0 },
            ..*step
        }),
    );
    kept
}
