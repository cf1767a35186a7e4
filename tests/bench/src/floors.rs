//! What the measures must show: floors and aims, most of them ratios of two measures of the same round.

use serde::Serialize;

use crate::{
    load::Protocol,
    number::float,
    plan::{Buys, Measure, Worker},
    sample::Sample,
    statistics::Spread,
};

/// What is taken of a repetition.
#[derive(Clone, Copy, Debug)]
enum Figure {
    PerSecond,
    P50Ms,
    P99Ms,
    ConfirmedP99Ms,
    GatewayMb,
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Good {
    High,
    Low,
}

/// What the measures are to show.
struct Demand {
    text: &'static str,
    unit: &'static str,
    of: fn(&Measure) -> bool,
    /// What it is divided by; the best of all that fit.
    by: Option<fn(&Measure) -> bool>,
    figure: Figure,
    good: Good,
    floor: f64,
    aim: f64,
}

/// A demand and what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// What is demanded.
    pub text: &'static str,
    /// Of the numbers; empty for a ratio.
    pub unit: &'static str,
    /// `None`: not measured.
    pub measured: Option<Spread>,
    /// At least, or at most, this.
    pub floor: f64,
    /// Better.
    pub aim: f64,
    /// Of the median: `aim`, `floor`, `missed`, or `not measured`.
    pub verdict: &'static str,
}

fn is(measure: &Measure, buys: Buys) -> bool {
    *measure == Measure::Buys(buys)
}

const fn plain(measure: &Measure) -> bool {
    matches!(
        measure,
        Measure::Buys(Buys {
            protocol: Protocol::Http1,
            connections: 256,
            in_flight: 1,
            gateways: 1,
            sales: 1,
            duplicates_percent: 0,
            worker: Worker::Free,
        })
    )
}

const fn stream(measure: &Measure) -> bool {
    matches!(measure, Measure::Buys(Buys { protocol: Protocol::GrpcStream, .. }))
}

const fn echo(measure: &Measure) -> bool {
    matches!(measure, Measure::Echo { connections: 256 })
}

const fn one_script(measure: &Measure) -> bool {
    matches!(measure, Measure::OneScript { connections: 256 })
}

const RATIO: Demand = Demand {
    text: "",
    unit: "",
    of: plain,
    by: None,
    figure: Figure::PerSecond,
    good: Good::High,
    floor: 0.0,
    aim: 0.0,
};

fn demands() -> Vec<Demand> {
    vec![
        Demand {
            text: "accepted at 256 connections / bare echo",
            by: Some(echo),
            floor: 0.5,
            aim: 0.75,
            ..RATIO
        },
        Demand {
            text: "same, order worker paced to 5,000/s / bare echo",
            of: |measure| is(measure, Buys::paced()),
            by: Some(echo),
            floor: 0.5,
            aim: 0.75,
            ..RATIO
        },
        Demand {
            text: "same, order worker stopped / bare echo",
            of: |measure| is(measure, Buys::unconfirmed()),
            by: Some(echo),
            floor: 0.5,
            aim: 0.75,
            ..RATIO
        },
        Demand {
            text: "same / one order a half-message, same HTTP",
            by: Some(|measure| matches!(measure, Measure::OneOrderAMessage { .. })),
            floor: 4.0,
            aim: 7.0,
            ..RATIO
        },
        Demand {
            text: "same / Java, one order a message, no HTTP",
            by: Some(|measure| matches!(measure, Measure::Java { .. })),
            floor: 5.0,
            aim: 8.0,
            ..RATIO
        },
        Demand {
            text: "same / one Redis script a request, no message",
            by: Some(one_script),
            floor: 1.0,
            aim: 1.4,
            ..RATIO
        },
        Demand {
            text: "same, order worker stopped / one Redis script",
            of: |measure| is(measure, Buys::unconfirmed()),
            by: Some(one_script),
            floor: 1.0,
            aim: 1.4,
            ..RATIO
        },
        Demand {
            text: "p99 at 64 connections",
            unit: "ms",
            of: |measure| is(measure, Buys::at(64)),
            figure: Figure::P99Ms,
            good: Good::Low,
            floor: 6.0,
            aim: 4.0,
            ..RATIO
        },
        Demand {
            text: "p50 of a lone buyer",
            unit: "ms",
            of: |measure| is(measure, Buys::at(1)),
            figure: Figure::P50Ms,
            good: Good::Low,
            floor: 1.2,
            aim: 0.8,
            ..RATIO
        },
        Demand {
            text: "sold-out answers / bare echo",
            of: |measure| matches!(measure, Measure::SoldOut { .. }),
            by: Some(echo),
            floor: 0.9,
            aim: 0.97,
            ..RATIO
        },
        Demand {
            text: "gRPC stream / HTTP, 256 requests at once",
            of: stream,
            by: Some(plain),
            floor: 1.0,
            aim: 1.5,
            ..RATIO
        },
        Demand {
            text: "worker's drain of one sale / one order a transaction",
            of: |measure| *measure == Measure::Drain { sales: 1 },
            by: Some(|measure| matches!(measure, Measure::OneTransaction { .. })),
            floor: 60.0,
            aim: 120.0,
            ..RATIO
        },
        Demand {
            text: "accepted to confirmed, p99 at half load",
            unit: "ms",
            of: |measure| *measure == Measure::Confirmed { percent: 50 },
            figure: Figure::ConfirmedP99Ms,
            good: Good::Low,
            floor: 100.0,
            aim: 30.0,
            ..RATIO
        },
        Demand {
            text: "1,000 sales at once / one sale",
            of: |measure| is(measure, Buys { sales: 1_000, ..Buys::at(256) }),
            by: Some(plain),
            floor: 0.7,
            aim: 0.9,
            ..RATIO
        },
        Demand {
            text: "at 10 times the capacity / at capacity, gRPC stream",
            of: |measure| *measure == Measure::Overload { times: 10 },
            by: Some(|measure| *measure == Measure::Overload { times: 1 }),
            floor: 0.9,
            aim: 1.0,
            ..RATIO
        },
        Demand {
            text: "gateway's memory at 1,024 connections",
            unit: "MB",
            of: |measure| is(measure, Buys::at(1_024)),
            figure: Figure::GatewayMb,
            good: Good::Low,
            floor: 100.0,
            aim: 50.0,
            ..RATIO
        },
    ]
}

/// Every demand, with what `samples` show of it. `commits_lost`: how many batches a check-back had to commit.
pub fn judge(samples: &[Sample], commits_lost: Option<u64>) -> Vec<Judged> {
    let mut judged: Vec<Judged> = demands().iter().map(|demand| demand.judge(samples)).collect();
    judged.push(Judged {
        text: "commits lost on the way, found by check-back",
        unit: "",
        measured: commits_lost.and_then(|lost| Spread::of([float(lost)])),
        floor: 0.0,
        aim: 0.0,
        verdict: match commits_lost {
            None => "not measured",
            Some(0) => "aim",
            Some(_) => "missed",
        },
    });
    judged
}

impl Demand {
    fn judge(&self, samples: &[Sample]) -> Judged {
        let measured = Spread::of(rounds(samples).filter_map(|round| self.of_round(round)));
        let reaches = |limit: f64, median: f64| match self.good {
            Good::High => median >= limit,
            Good::Low => median <= limit,
        };
        let verdict = match measured.map(|spread| spread.median) {
            None => "not measured",
            Some(median) if reaches(self.aim, median) => "aim",
            Some(median) if reaches(self.floor, median) => "floor",
            Some(_) => "missed",
        };
        Judged { text: self.text, unit: self.unit, measured, floor: self.floor, aim: self.aim, verdict }
    }

    fn of_round(&self, round: &[Sample]) -> Option<f64> {
        let of = self.figure_of(round, self.of)?;
        let Some(by) = self.by else { return Some(of) };
        self.figure_of(round, by).filter(|by| *by > 0.0).map(|by| of / by)
    }

    /// The best of those that fit.
    fn figure_of(&self, round: &[Sample], fits: fn(&Measure) -> bool) -> Option<f64> {
        let figures =
            round.iter().filter(|sample| fits(&sample.measure)).filter_map(|sample| self.figure.of(sample));
        match self.good {
            Good::High => figures.max_by(f64::total_cmp),
            Good::Low => figures.min_by(f64::total_cmp),
        }
    }
}

impl Figure {
    fn of(self, sample: &Sample) -> Option<f64> {
        let ms = |us: Option<u64>| us.map(|us| float(us) / 1_000.0);
        match self {
            Self::PerSecond => Some(sample.per_second),
            Self::P50Ms => ms(sample.p50_us),
            Self::P99Ms => ms(sample.p99_us),
            Self::ConfirmedP99Ms => ms(sample.confirmed_p99_us),
            Self::GatewayMb => sample.gateway_bytes.map(|bytes| float(bytes) / 1e6),
        }
    }
}

/// The samples of each round of each section: they come one after the other.
fn rounds(samples: &[Sample]) -> impl Iterator<Item = &[Sample]> {
    samples.chunk_by(|a, b| (a.section, a.round) == (b.section, b.round))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(round: usize, measure: Measure, counted: u64) -> Sample {
        Sample { section: "buying", round, ..Sample::new(measure, counted, Duration::from_secs(1)) }
    }

    #[test]
    fn a_ratio_is_of_two_measures_of_the_same_round() {
        let (echo, buys) = (Measure::Echo { connections: 256 }, Measure::Buys(Buys::at(256)));
        let samples = [
            sample(0, echo, 100),
            sample(0, buys, 60),
            sample(1, echo, 50),
            sample(1, buys, 30),
            sample(2, buys, 1_000),
        ];
        let judged = judge(&samples, Some(0));
        let ratio = judged[0].measured.unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max, ratio.repetitions), (0.6, 0.6, 0.6, 2));
        assert_eq!(judged[0].verdict, "floor");
        assert_eq!(judged[1].verdict, "not measured");
    }

    #[test]
    fn a_rival_is_taken_at_its_best() {
        let samples = [
            sample(0, Measure::Buys(Buys::at(256)), 80),
            sample(0, Measure::Java { threads: 1 }, 5),
            sample(0, Measure::Java { threads: 32 }, 10),
        ];
        let judged = judge(&samples, None);
        let java = judged.iter().find(|judged| judged.text.contains("Java")).unwrap();
        assert_eq!((java.measured.unwrap().median, java.verdict), (8.0, "aim"));
    }

    #[test]
    fn a_latency_is_judged_by_its_upper_limit() {
        let mut slow = sample(0, Measure::Buys(Buys::at(64)), 1);
        slow.p99_us = Some(7_000);
        let judged = judge(&[slow], None);
        let p99 = judged.iter().find(|judged| judged.text.starts_with("p99")).unwrap();
        assert_eq!((p99.measured.unwrap().median, p99.verdict), (7.0, "missed"));
    }
}
