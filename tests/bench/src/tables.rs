//! The results for people, on a terminal.

use comfy_table::{CellAlignment, Table, presets};

use crate::{
    number::{float, grouped, short, whole},
    results::{Results, Summary, apart_percent},
    statistics::Spread,
};

/// The roles whose cost has a column.
const ROLES: [&str; 7] = ["gateway", "redis", "broker", "worker", "mysql", "rival", "load"];

/// All tables.
pub fn text(results: &Results) -> String {
    let setting = &results.setting;
    let durable = if setting.durable { "durable" } else { "not durable" };
    let mut parts = vec![
        format!(
            "flashgate {} ({}), servers {durable}, {} s a load\n{}\nThe load generator, all servers and the rivals share these processors.",
            setting.revision,
            setting.extent,
            setting.load_seconds,
            setting.machine.line(),
        ),
        format!(
            "Demands: medians of rounds, each ratio of two measures of the same round\n{}",
            demands(results)
        ),
        format!("Measures: medians\n{}", measures(&results.measures)),
        format!(
            "Time on the processors in µs for each that is counted, until all is settled\n{}",
            costs(&results.measures)
        ),
        format!("Check-backs over the whole run: {}", check_backs(results)),
        format!("All of it took {} s.", grouped(whole(results.took_seconds))),
    ];
    if results.noisy {
        parts.push(
            "NOISY: other processes used this machine meanwhile; the ratios may hold, the figures do not."
                .to_owned(),
        );
    }
    let wrong = results.wrong();
    if !wrong.is_empty() {
        parts.push(format!("WRONG:\n  {}", wrong.join("\n  ")));
    }
    parts.join("\n\n") + "\n"
}

fn table(head: &[&str], words: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(head);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn demands(results: &Results) -> Table {
    let mut table = table(&["what", "measured", "least", "most", "rounds", "floor", "aim", "reached"], 1);
    for judged in &results.judged {
        let unit = |number: f64| match judged.unit {
            "" => short(number),
            unit => format!("{} {unit}", short(number)),
        };
        let of = |figure: fn(&Spread) -> f64| {
            judged.measured.as_ref().map_or_else(String::new, |m| unit(figure(m)))
        };
        table.add_row([
            judged.text.to_owned(),
            of(|spread| spread.median),
            of(|spread| spread.min),
            of(|spread| spread.max),
            judged.measured.map_or_else(String::new, |measured| measured.repetitions.to_string()),
            unit(judged.floor),
            unit(judged.aim),
            judged.verdict.to_owned(),
        ]);
    }
    table
}

fn measures(measures: &[Summary]) -> Table {
    let mut table = table(
        &[
            "measure",
            "a second",
            "apart %",
            "p50 ms",
            "p99 ms",
            "confirmed p99 ms",
            "batch",
            "B/order",
            "gateway MB",
            "answers",
        ],
        1,
    );
    for measure in measures {
        let median = |spread: Option<Spread>, unit: f64| {
            spread.map_or_else(String::new, |spread| short(spread.median / unit))
        };
        let mut answers: Vec<String> = measure
            .outcomes
            .iter()
            .map(|(outcome, count)| format!("{} {outcome}", grouped(*count)))
            .collect();
        if measure.unsent > 0 {
            answers.push(format!("{} unsent", grouped(measure.unsent)));
        }
        table.add_row([
            measure.measure.clone(),
            short(measure.per_second.median),
            short(apart_percent(&measure.per_second)),
            median(measure.p50_us, 1_000.0),
            median(measure.p99_us, 1_000.0),
            median(measure.confirmed_p99_us, 1_000.0),
            median(measure.intents_per_batch, 1.0),
            median(measure.redis_bytes_per_order, 1.0),
            median(measure.gateway_bytes, 1e6),
            answers.join(", "),
        ]);
    }
    table
}

fn costs(measures: &[Summary]) -> Table {
    let head: Vec<&str> = ["measure"].into_iter().chain(ROLES).chain(["all"]).collect();
    let mut table = table(&head, 1);
    for measure in measures.iter().filter(|measure| !measure.cpu_us.is_empty()) {
        let cost = |role: &str| measure.cpu_us.get(role).map(|spread| spread.median);
        let all: f64 = measure.cpu_us.values().map(|spread| spread.median).sum();
        let shown = ROLES.iter().map(|role| cost(role).map_or_else(String::new, short));
        table.add_row([measure.measure.clone()].into_iter().chain(shown).chain([short(all)]));
    }
    table
}

fn check_backs(results: &Results) -> String {
    let all: u64 = results.check_backs.values().sum();
    let told = results.check_backs.iter().filter(|(_, count)| **count > 0);
    let told: Vec<String> =
        told.map(|(verdict, count)| format!("{} {verdict}", short(float(*count)))).collect();
    if all == 0 { "none".to_owned() } else { told.join(", ") }
}
