//! The charts of the report, as SVG that uses the text colour of the page.

use std::{fmt, ops::Range};

use flashgate_output::exit::CliError;
use plotters::{
    coord::{Shift, ranged1d::ValueFormatter},
    prelude::*,
};

use super::{
    super::{outcome::Outcome, show::millis},
    Report,
    figures::{Percentiles, Slot},
};
use crate::ratio::{float, whole};

const SIZE: (u32, u32) = (960, 320);
/// Elements that plotters draws in this colour get the page's own text colour, in light and in dark mode.
const INK: RGBColor = RGBColor(0, 0, 0);
const INK_IN_SVG: &str = "#000000";
/// Maximum labels of the horizontal axis: one for each nine of the percentiles.
const LABELS_ALONG: usize = 5;
/// Latencies below 0.1 ms are drawn there: the axis is logarithmic.
const MILLIS_MIN: f64 = 0.1;

/// A line of a chart: its name in the legend, its colour, its points.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) color: RGBColor,
    pub(super) points: Vec<(f64, f64)>,
}

pub(super) const BLUE: RGBColor = RGBColor(79, 127, 224);
pub(super) const ORANGE: RGBColor = RGBColor(224, 123, 57);
pub(super) const RED: RGBColor = RGBColor(214, 59, 59);
pub(super) const GREEN: RGBColor = RGBColor(46, 158, 91);

/// Readable on white and on black.
pub(super) const fn color(outcome: Outcome) -> RGBColor {
    match outcome {
        Outcome::Accepted => GREEN,
        Outcome::Replayed => RGBColor(123, 201, 154),
        Outcome::SoldOut => RGBColor(138, 147, 163),
        Outcome::Limited => RGBColor(176, 139, 214),
        Outcome::NotOpen => RGBColor(90, 167, 224),
        Outcome::Throttled => RGBColor(224, 168, 46),
        Outcome::Unavailable => ORANGE,
        Outcome::Unknown => RGBColor(217, 79, 140),
        Outcome::Rejected => RGBColor(155, 107, 67),
        Outcome::Answered => BLUE,
        Outcome::Failed => RED,
    }
}

fn undrawn(why: impl fmt::Display) -> CliError {
    CliError::Other(format!("a chart cannot be drawn: {why}"))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws with `draw` and returns the SVG.
fn svg(draw: impl FnOnce(&Area<'_>) -> Result<(), CliError>) -> Result<String, CliError> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    draw(&area)?;
    area.present().map_err(undrawn)?;
    drop(area);
    let fixed = format!("<svg width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1);
    Ok(text.replace(INK_IN_SVG, "currentColor").replacen(&fixed, "<svg role=\"img\"", 1))
}

impl Report {
    /// Requests per second over time, by outcome, stacked.
    pub(super) fn outcomes_chart(&self) -> Result<String, CliError> {
        let height = |slot: &Slot| slot.rates().map(|(_, rate)| rate).sum::<f64>();
        let top = self.drawn_slots().iter().map(height).fold(0.0, f64::max) * 1.05;
        svg(|area| {
            let mut chart = ChartBuilder::on(area)
                .margin(12)
                .margin_right(32)
                .x_label_area_size(40)
                .y_label_area_size(72)
                .build_cartesian_2d(0.0..self.chart_end(), 0.0..top.max(1.0))
                .map_err(undrawn)?;
            mesh(&mut chart, "seconds since the start", "requests/s", &|second| short(*second), &|rate| {
                short(*rate)
            })?;
            let bars = self.drawn_slots().iter().flat_map(|slot| {
                let mut below = 0.0;
                slot.rates().map(move |(outcome, rate)| {
                    let above = below + rate;
                    let corners = [(slot.at_s, below), (slot.at_s + slot.width_s, above)];
                    below = above;
                    Rectangle::new(corners, color(outcome).filled())
                })
            });
            chart.draw_series(bars).map_err(undrawn)?;
            Ok(())
        })
    }

    /// Latency over time.
    pub(super) fn latency_chart(&self, lines: &[Line]) -> Result<String, CliError> {
        lines_chart(lines, 0.0..self.chart_end(), "seconds since the start", &|second| short(*second))
    }

    /// The percentiles of latency; each further nine takes as much width as the one before.
    pub(super) fn percentiles_chart(lines: &[Line]) -> Result<String, CliError> {
        lines_chart(lines, 0.0..NINES_MAX, "percentile", &|nines| percent(*nines).to_string())
    }

    fn chart_end(&self) -> f64 {
        self.drawn_slots().last().map_or(1.0, |slot| slot.at_s + slot.width_s)
    }
}

/// The end of the axis of percentiles: 99.99 %.
const NINES_MAX: f64 = 4.0;

/// The position of a percentile on its axis: 90 at 1, 99 at 2, 99.9 at 3.
fn nines(percent: f64) -> f64 {
    -(1.0 - percent / 100.0).max(0.000_1).log10()
}

fn percent(nines: f64) -> f64 {
    let percent = 100.0 * (1.0 - 10_f64.powf(-nines));
    (percent * 1_000.0).round() / 1_000.0
}

impl Percentiles {
    /// The curve for [`Report::percentiles_chart`].
    pub(super) fn line(&self, name: &'static str, color: RGBColor) -> Line {
        let points = self.curve.iter().filter(|(percent, _)| *percent < 100.0);
        let points = points.map(|(percent, us)| (nines(*percent), float(*us) / 1_000.0));
        Line { name, color, points: points.collect() }
    }
}

/// Lines over a logarithmic axis of milliseconds.
fn lines_chart(
    lines: &[Line],
    along: Range<f64>,
    along_name: &str,
    along_label: &dyn Fn(&f64) -> String,
) -> Result<String, CliError> {
    let highest = lines.iter().flat_map(|line| &line.points).map(|(_, ms)| *ms).fold(1.0, f64::max);
    svg(|area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(32)
            .x_label_area_size(40)
            .y_label_area_size(72)
            .build_cartesian_2d(along, (MILLIS_MIN..highest * 1.2).log_scale())
            .map_err(undrawn)?;
        mesh(&mut chart, along_name, "latency", along_label, &|ms| {
            millis(std::time::Duration::from_secs_f64(ms / 1_000.0))
        })?;
        for line in lines {
            let points = line.points.iter().map(|(at, ms)| (*at, ms.max(MILLIS_MIN)));
            chart.draw_series(LineSeries::new(points, line.color.stroke_width(2))).map_err(undrawn)?;
        }
        Ok(())
    })
}

/// Axes and grid in the page's text colour.
fn mesh<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'_>, Cartesian2d<X, Y>>,
    along_name: &str,
    up_name: &str,
    along_label: &dyn Fn(&f64) -> String,
    up_label: &dyn Fn(&f64) -> String,
) -> Result<(), CliError>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let style = ("sans-serif", 14).into_font().color(&INK);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(LABELS_ALONG)
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.15))
        .axis_style(INK.mix(0.6))
        .label_style(style.clone())
        .axis_desc_style(style)
        .x_desc(along_name)
        .y_desc(up_name)
        .x_label_formatter(along_label)
        .y_label_formatter(up_label)
        .draw()
        .map_err(undrawn)
}

/// A number in few digits: `0.5`, `12`, `53k`.
fn short(number: f64) -> String {
    if number >= 10_000.0 {
        return format!("{}k", whole((number / 1_000.0).round()));
    }
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.1}") }
}
