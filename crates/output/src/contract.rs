//! Contract tests for every command that prints.

#![expect(clippy::expect_used, reason = "a test ends where its helper fails")]

use std::{
    fs::OpenOptions,
    io,
    process::{Command, Output, Stdio},
};

/// Runs the command that `command` makes three times: with a reader, with a closed reader, and onto a full disk.
///
/// # Panics
/// If a run ends otherwise than [`crate`] promises; or if nothing was printed, since then nothing was tested.
pub fn prints_as_promised(command: impl Fn() -> Command) {
    let run = |stdout: Stdio| -> Output {
        let output = command().stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).output();
        output.expect("the command can be started")
    };
    let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let name = format!("{:?}", command());
    let read = run(Stdio::piped());
    assert!(!read.stdout.is_empty(), "{name} prints nothing: {}", told(&read));

    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let unread = run(writer.into());
    assert_eq!(unread.status.code(), read.status.code(), "{name}, nobody reads: {}", told(&unread));
    for complaint in ["standard output", "panicked", "pipe"] {
        assert!(!told(&unread).contains(complaint), "{name}, nobody reads: {}", told(&unread));
    }

    let full = OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let full = run(full.into());
    let complaint = told(&full);
    assert_eq!(full.status.code(), Some(1), "{name}, the disk is full: {complaint}");
    assert!(complaint.contains("cannot write standard output"), "{name}: {complaint}");
    assert_eq!(complaint.lines().count(), told(&read).lines().count() + 1, "{name}: {complaint}");
    assert!(!complaint.contains("panicked"), "{name}: {complaint}");
}
