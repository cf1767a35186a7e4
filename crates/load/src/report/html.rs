//! The report with charts: one self-contained file, without scripts.

use std::{fmt::Write, time::Duration};

use flashgate_output::exit::CliError;
use jiff::Timestamp as Calendar;
use plotters::style::RGBColor;

use super::{
    super::{collector::Ended, show::millis},
    Report,
    chart::{BLUE, GREEN, Line, ORANGE, RED, color},
    figures::{Percentiles, Slot},
};
use crate::ratio::float;

const STYLE: &str = include_str!("report.css");

impl Report {
    /// The page.
    ///
    /// # Errors
    /// A chart that cannot be drawn.
    pub(in super::super) fn html(&self) -> Result<String, CliError> {
        let mut page = String::new();
        self.write_page(&mut page)?;
        Ok(page)
    }

    fn write_page(&self, page: &mut String) -> Result<(), CliError> {
        let title = format!("flashgate load: {} to {}", self.protocol, self.targets.join(", "));
        let title = escape(&title);
        write!(
            page,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <link rel=\"icon\" href=\"data:,\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n",
            escape(&self.conditions())
        )
        .map_err(CliError::other)?;
        self.write_cards(page).map_err(CliError::other)?;
        page.push_str("<h2>Outcomes over time</h2>\n");
        let legend = self.outcomes.keys().map(|outcome| (outcome.as_str(), color(*outcome)));
        write_figure(page, legend, &self.outcomes_chart()?).map_err(CliError::other)?;
        page.push_str("<h2>Latency over time</h2>\n");
        let lines = self.latency_lines();
        write_figure(page, lines.iter().map(legend_of), &self.latency_chart(&lines)?)
            .map_err(CliError::other)?;
        page.push_str("<h2>Latency by percentile</h2>\n");
        let lines = self.percentile_lines();
        write_figure(page, lines.iter().map(legend_of), &Self::percentiles_chart(&lines)?)
            .map_err(CliError::other)?;
        self.write_tables(page).map_err(CliError::other)?;
        page.push_str("</body>\n</html>\n");
        Ok(())
    }

    fn conditions(&self) -> String {
        let started = i64::try_from(self.started_at_ms).ok();
        let started = started.and_then(|millis| Calendar::from_millisecond(millis).ok());
        let ended = match self.ended {
            Ended::Done => "",
            Ended::Interrupted => " Interrupted.",
            Ended::GaveUp => " Given up: requests only failed.",
        };
        let counted = if self.send_lag_us.is_some() { "was due" } else { "was sent" };
        format!(
            "{}. {} loop, {} connections with {} at a time, {:.2} s, seed {}. Latency counts from the moment at \
             which a request {counted}; of requests that were answered.{ended}",
            started.map_or_else(String::new, |at| format!("{at:.0}")),
            if self.loop_kind == "open" { "Open" } else { "Closed" },
            self.connections,
            self.in_flight_per_connection,
            self.elapsed_s,
            self.seed,
        )
    }

    fn write_cards(&self, page: &mut String) -> std::fmt::Result {
        let time = |us| millis(Duration::from_micros(us));
        let mut cards = vec![
            ("requests", self.requests.to_string()),
            ("requests/s", format!("{:.0}", self.requests_per_s)),
            ("accepted/s", format!("{:.0}", self.accepted_per_s)),
            ("p50", time(self.answered_us.p50)),
            ("p99", time(self.answered_us.p99)),
        ];
        if let Some(confirmed) = &self.confirmed_us {
            cards.push(("confirmed, p99", time(confirmed.p99)));
        }
        if self.never_sent > 0 {
            cards.push(("no connection, never sent", self.never_sent.to_string()));
        }
        if self.unsent > 0 {
            cards.push(("due, never sent", self.unsent.to_string()));
        }
        page.push_str("<div class=\"cards\">\n");
        for (name, value) in cards {
            writeln!(page, "<div><b>{value}</b>{name}</div>")?;
        }
        page.push_str("</div>\n");
        Ok(())
    }

    fn latency_lines(&self) -> Vec<Line> {
        let line = |name, color, us: fn(&Slot) -> u64| {
            let points = self.drawn_slots().iter().filter(|slot| us(slot) > 0);
            let points = points.map(|slot| (slot.at_s + slot.width_s / 2.0, float(us(slot)) / 1_000.0));
            Line { name, color, points: points.collect() }
        };
        let mut lines = vec![
            line("p50", BLUE, |slot| slot.p50_us),
            line("p99", ORANGE, |slot| slot.p99_us),
            line("max", RED, |slot| slot.max_us),
        ];
        if self.confirmed_us.is_some() {
            lines.push(line("accepted until confirmed, p99", GREEN, |slot| slot.confirmed_p99_us));
        }
        lines
    }

    fn percentile_lines(&self) -> Vec<Line> {
        self.rows().map(|(name, color, percentiles)| percentiles.line(name, color)).collect()
    }

    /// The rows with latencies.
    fn rows(&self) -> impl Iterator<Item = (&'static str, RGBColor, &Percentiles)> {
        let rows = [
            ("answered", BLUE, Some(&self.answered_us)),
            ("accepted", GREEN, Some(&self.accepted_us)),
            ("accepted until confirmed", ORANGE, self.confirmed_us.as_ref()),
            ("sent late by", RED, self.send_lag_us.as_ref()),
        ];
        let rows = rows.into_iter().filter_map(|(name, color, row)| Some((name, color, row?)));
        rows.filter(|(_, _, row)| row.count > 0)
    }

    fn write_tables(&self, page: &mut String) -> std::fmt::Result {
        page.push_str("<h2>Latency</h2>\n<div class=\"wide\"><table>\n<tr><th></th>");
        for head in ["requests", "mean", "p50", "p90", "p99", "p99.9", "max"] {
            write!(page, "<th>{head}</th>")?;
        }
        page.push_str("</tr>\n");
        for (name, _, row) in self.rows() {
            write!(page, "<tr><td>{name}</td><td>{}</td><td>{:.2} ms</td>", row.count, row.mean / 1_000.0)?;
            for us in [row.p50, row.p90, row.p99, row.p999, row.max] {
                write!(page, "<td>{}</td>", millis(Duration::from_micros(us)))?;
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table></div>\n<h2>Outcomes</h2>\n<div class=\"wide\"><table>\n");
        page.push_str("<tr><th>outcome</th><th>requests</th><th>a second</th></tr>\n");
        for (outcome, count) in &self.outcomes {
            let rate = self.rate_of(*outcome, *count);
            writeln!(page, "<tr><td>{}</td><td>{count}</td><td>{rate:.1}</td></tr>", outcome.as_str())?;
        }
        page.push_str("</table></div>\n<h2>Codes</h2>\n<div class=\"wide\"><table>\n");
        page.push_str("<tr><th>code</th><th>requests</th></tr>\n");
        for (code, count) in &self.codes {
            writeln!(page, "<tr><td>{}</td><td>{count}</td></tr>", escape(code))?;
        }
        page.push_str("</table></div>\n");
        Ok(())
    }
}

const fn legend_of(line: &Line) -> (&'static str, RGBColor) {
    (line.name, line.color)
}

fn write_figure(
    page: &mut String,
    legend: impl Iterator<Item = (&'static str, RGBColor)>,
    svg: &str,
) -> std::fmt::Result {
    page.push_str("<div class=\"legend\">");
    for (name, RGBColor(red, green, blue)) in legend {
        write!(
            page,
            "<span><i style=\"background:rgb({red},{green},{blue})\"></i>{}</span>",
            name.replace('_', " ")
        )?;
    }
    writeln!(page, "</div>\n<figure>\n{svg}</figure>")
}

/// Escapes text that a server or the command line has chosen.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
