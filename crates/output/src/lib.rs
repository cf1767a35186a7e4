//! Shared by the command lines of all programs: standard output, exit codes, and the parsing of arguments.
//!
//! | module | subject |
//! |---|---|
//! | [`exit`] | the end of a command: its error and its exit code |
//! | [`number`], [`time`] | arguments that are numbers or durations |
//!
//! Standard output, here:
//!
//! - A reader that closes its end early (`flashgate sale list | head -1`) is no failure: the rest is dropped, the
//!   command runs to its end and its exit code is that of its result, 0 where there is nothing to report.
//! - Any other failed write (a full disk, an I/O error) is an error: one line on standard error and exit code 1.
//! - Neither is a panic, which `println!` would be. The macros and `std::io::stdout` are forbidden by clippy
//!   elsewhere.

#[cfg(feature = "contract")]
pub mod contract;
pub mod exit;
pub mod number;
pub mod time;

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use thiserror::Error;

/// Whether standard output still has a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Everything was written.
    Reads,
    /// The reader has closed its end: nothing more can be written. A command that only prints, repeatedly, ends here.
    Gone,
}

/// Standard output cannot be written, although its reader is open.
#[derive(Debug, Error)]
#[error("cannot write standard output: {0}")]
pub struct OutputError(io::Error);

/// Writes `text` to standard output unchanged.
///
/// # Errors
/// [`OutputError`] if it was not written completely, although the reader is open.
#[expect(clippy::disallowed_methods, reason = "the one place that writes to standard output")]
pub fn print(text: impl AsRef<[u8]>) -> Result<Reader, OutputError> {
    judge(write_to(&mut io::stdout().lock(), text.as_ref()))
}

/// Writes `text` and a line end to standard output.
///
/// # Errors
/// As [`print()`].
pub fn print_line(text: impl Display) -> Result<Reader, OutputError> {
    print(format!("{text}\n"))
}

/// Writes a line for people to standard error: progress, warnings. Nothing depends on it, so a failure is ignored.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Reports the failure of a program: one line on standard error, and its exit code.
#[must_use]
pub fn fail(program: &str, failure: impl Display, exit_code: ExitCode) -> ExitCode {
    // If standard error cannot be written either, only the exit code reports the failure.
    note(format_args!("{program}: {failure}"));
    exit_code
}

/// Parses the command line of `program`.
///
/// # Errors
/// The exit code with which the program ends: 0 after help or version, 2 for an invalid command line, 1 if the help
/// could not be printed.
#[expect(
    clippy::disallowed_methods,
    reason = "clap prints by itself; what is left in the buffer is written here"
)]
pub fn parse<C: clap::Parser>(program: &str) -> Result<C, ExitCode> {
    C::try_parse().map_err(|told| {
        let printed = told.print().and_then(|()| io::stdout().flush());
        match judge(printed) {
            Err(error) if !told.use_stderr() => fail(program, error, ExitCode::FAILURE),
            Ok(_) | Err(_) => ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(1)),
        }
    })
}

/// Standard output buffers the text after the last line end, and drops it without an error at the end of a process,
/// so the buffer is flushed here.
fn write_to(output: &mut impl Write, text: &[u8]) -> io::Result<()> {
    output.write_all(text)?;
    output.flush()
}

fn judge(written: io::Result<()>) -> Result<Reader, OutputError> {
    match written {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(OutputError(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes text into its buffer and fails at the flush.
    struct Full(ErrorKind);

    impl Write for Full {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::Error::from(self.0))
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
        let printed = |kind| judge(write_to(&mut Full(kind), b"no line end"));
        assert_eq!(printed(ErrorKind::BrokenPipe).unwrap(), Reader::Gone);
        let full = printed(ErrorKind::StorageFull).unwrap_err().to_string();
        assert!(full.starts_with("cannot write standard output: "), "{full}");
        assert_eq!(judge(write_to(&mut Vec::new(), b"text")).unwrap(), Reader::Reads);
    }
}
