//! Cargo in the copy of the tree.

use std::{path::PathBuf, process::Stdio};

use anyhow::Context;
use serde::Deserialize;
use tokio::process::Command;

use crate::{check::Check, tree::Tree};

/// How much of what the compiler said is told.
const SAID_LINES_MAX: usize = 30;

/// What came of a build.
#[derive(Debug)]
pub enum Built {
    /// The program of the check.
    Program(PathBuf),
    /// The compiler refused it, and said this.
    Refused(String),
}

/// A line of cargo's about something that it built.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the program of `check`. With the features of the whole workspace, as the test command does: what that
/// has built of other people's crates fits.
///
/// # Errors
/// If cargo cannot be run, or does not name the program.
pub async fn program(tree: &Tree, check: Check) -> anyhow::Result<Built> {
    let output = Command::new("cargo")
        .args(["test", "--workspace", "--all-features", "--locked", "--no-run", "--quiet"])
        .args(["--message-format", "json-render-diagnostics", "--test", check.test()])
        .env("CARGO_TARGET_DIR", &tree.target)
        .current_dir(&tree.root)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cargo")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let errors = said.lines().skip_while(|line| !line.starts_with("error"));
        return Ok(Built::Refused(errors.take(SAID_LINES_MAX).collect::<Vec<_>>().join("\n")));
    }
    let manifest = tree.root.join(check.folder()).join("Cargo.toml");
    let messages = String::from_utf8(output.stdout)?;
    let mut programs = messages.lines().filter_map(|line| {
        let message: Message = serde_json::from_str(line).ok()?;
        let is_it = message.manifest_path? == manifest && message.target?.name == check.program();
        message.executable.filter(|_path| is_it)
    });
    let program = programs.next_back().with_context(|| format!("cargo built no {}", check.program()))?;
    Ok(Built::Program(program))
}
