//! What a run found: a table for people, JSON for machines.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{attempt::Verdict, mutation::Mutation};

/// One break and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The name of the break.
    pub mutation: String,
    /// What is done wrong.
    pub what: String,
    /// Where.
    pub file: String,
    /// What was to notice it.
    pub check: String,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took, with building.
    pub seconds: u64,
}

impl Line {
    /// What came of `mutation`.
    pub fn new(mutation: &Mutation, verdict: Verdict, seconds: u64) -> Self {
        let Mutation { name, what, file, check, .. } = mutation.clone();
        Self { mutation: name, what, file, check: check.to_string(), verdict, seconds }
    }
}

/// The verdict in a few words.
pub fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Caught { by } => match by.as_slice() {
            [] => "caught".to_owned(),
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
        },
        Verdict::Survived => "SURVIVED: nothing noticed it".to_owned(),
        Verdict::Hung => "HUNG: the check did not end".to_owned(),
        Verdict::Died { said } => format!("NO VERDICT: {said}"),
        Verdict::DoesNotCompile { said } => format!("DOES NOT COMPILE: {said}"),
        Verdict::DoesNotApply { why } => format!("DOES NOT APPLY: {why}"),
    }
}

/// The table of a run.
pub fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["mutation", "check", "caught by", "seconds"]);
    for line in lines {
        table.add_row([
            line.mutation.clone(),
            line.check.clone(),
            words(&line.verdict),
            line.seconds.to_string(),
        ]);
    }
    table
}

/// The list without running it.
pub fn list(mutations: &[Mutation]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["mutation", "what is done wrong", "file", "check"]);
    for mutation in mutations {
        table.add_row([&mutation.name, &mutation.what, &mutation.file, &mutation.check.to_string()]);
    }
    table
}
