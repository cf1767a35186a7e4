//! Runs a check, and says who noticed.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::Context;
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
    time::timeout,
};

use crate::{
    build::{Built, program},
    check::Check,
    mutation::Mutation,
    tree::Tree,
};

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// It failed: the tests that did, or what the simulation complained of.
    Caught {
        /// One for each.
        by: Vec<String>,
    },
    /// It passed.
    Survived,
    /// It did not end in time. Nobody said what is wrong, so this is no catch.
    Hung,
    /// It ended without a verdict: it could not start, or died.
    Died {
        /// The last that it said.
        said: String,
    },
    /// The broken code is no Rust.
    DoesNotCompile {
        /// What the compiler said.
        said: String,
    },
    /// The break does not fit the code any more.
    DoesNotApply {
        /// Why.
        why: String,
    },
}

impl Verdict {
    /// Whether the break was noticed.
    pub const fn is_caught(&self) -> bool {
        matches!(self, Self::Caught { .. })
    }
}

/// Makes the break in `tree`, builds the check that belongs to it and runs it; the tree is mended after it.
///
/// # Errors
/// If the tree cannot be written or cargo cannot be run.
pub async fn attempt(tree: &Tree, mutation: &Mutation) -> anyhow::Result<Verdict> {
    let damage = match tree.damage(mutation) {
        Ok(damage) => damage,
        Err(why) => return Ok(Verdict::DoesNotApply { why: format!("{why:#}") }),
    };
    let verdict = verdict(tree, mutation.check, &mutation.filter).await;
    damage.mend()?;
    verdict
}

/// Builds `check` of the tree as it is, and runs it.
///
/// # Errors
/// If cargo cannot be run.
pub async fn verdict(tree: &Tree, check: Check, filter: &str) -> anyhow::Result<Verdict> {
    match program(tree, check).await? {
        Built::Program(program) => run(&program, &tree.root.join(check.folder()), check, filter).await,
        Built::Refused(said) => Ok(Verdict::DoesNotCompile { said }),
    }
}

async fn run(program: &Path, folder: &Path, check: Check, filter: &str) -> anyhow::Result<Verdict> {
    let mut child = Command::new(program)
        .args(check.arguments(filter))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| program.display().to_string())?;
    let (said, complained) = (child.stdout.take().context("stdout")?, child.stderr.take().context("stderr")?);
    let mut heard = Heard::default();
    let listening = async {
        let noise = tokio::spawn(last_line(complained));
        heard.listen(said).await;
        if heard.is_over {
            noise.abort();
        }
        noise.await.unwrap_or_default()
    };
    let Ok(noise) = timeout(check.time_max(), listening).await else {
        kill(&mut child).await;
        return Ok(Verdict::Hung);
    };
    if heard.is_over {
        kill(&mut child).await;
        return Ok(Verdict::Caught { by: heard.failed });
    }
    let status = child.wait().await?;
    Ok(match (heard.failed.is_empty(), status.success()) {
        (false, _) => Verdict::Caught { by: heard.failed },
        (true, true) if heard.has_run || check == Check::Simulation => Verdict::Survived,
        (true, true) => Verdict::Died { said: "it ran no test".to_owned() },
        (true, false) => Verdict::Died { said: format!("{status}: {} {noise}", heard.last) },
    })
}

async fn kill(child: &mut tokio::process::Child) {
    // It may have ended this very moment.
    drop(child.start_kill());
    drop(timeout(Duration::from_secs(10), child.wait()).await);
}

/// What a check printed.
#[derive(Default)]
struct Heard {
    failed: Vec<String>,
    has_run: bool,
    /// The simulation has said what is wrong; that it shortens the history then is not waited for.
    is_over: bool,
    last: String,
}

impl Heard {
    async fn listen(&mut self, output: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.hear(&line);
            if self.is_over {
                return;
            }
        }
    }

    fn hear(&mut self, line: &str) {
        if let Some(complaint) = line.strip_prefix("FAILED: ") {
            self.failed.push(complaint.to_owned());
            self.is_over = true;
        } else if let Some((test, result)) =
            line.strip_prefix("test ").and_then(|line| line.rsplit_once(" ... "))
        {
            self.has_run = true;
            if result == "FAILED" {
                self.failed.push(test.to_owned());
            }
        }
        if !line.trim().is_empty() {
            line.clone_into(&mut self.last);
        }
    }
}

async fn last_line(output: impl AsyncRead + Unpin) -> String {
    let (mut lines, mut last) = (BufReader::new(output).lines(), String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.trim().is_empty() {
            last = line;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::Heard;

    async fn heard(output: &str) -> Heard {
        let mut heard = Heard::default();
        heard.listen(output.as_bytes()).await;
        heard
    }

    #[tokio::test]
    async fn a_test_that_failed_is_named_and_one_that_passed_is_not() {
        let heard = heard("\nrunning 2 tests\ntest a::b ... ok\ntest c ... FAILED\n\nfailures:\n").await;
        assert_eq!((heard.failed, heard.has_run), (vec!["c".to_owned()], true));
    }

    #[tokio::test]
    async fn the_simulation_is_not_listened_to_after_its_complaint() {
        let heard = heard("20 seeds\nFAILED: seed 7: order 1 is lost\nshortened\n").await;
        assert_eq!((heard.failed, heard.is_over), (vec!["seed 7: order 1 is lost".to_owned()], true));
    }
}
