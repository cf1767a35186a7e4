//! What the command lines of all programs share: standard output, exit codes, and the parsing of arguments.
//!
//! | module | subject |
//! |---|---|
//! | [`exit`] | how a command ends: why, and the exit code that says so |
//! | [`number`], [`time`] | arguments that are numbers or lengths of time |
//!
//! Standard output, here:
//!
//! - A reader that closes its end early (`flashgate sale list | head -1`) is no failure: what is left is dropped, the
//!   command goes on to its end and its exit code is that of its result, 0 where there is nothing to report.
//! - Anything else that keeps a byte from being written (a full disk, an I/O error) is an error: one line on standard
//!   error and exit code 1.
//! - Neither is a panic, which `println!` would be. The macros and `std::io::stdout` are forbidden by clippy elsewhere.

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

/// Whether anybody still reads standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Everything was written.
    Reads,
    /// The other end is closed: nothing more can be written. A command that only prints, again and again, ends here.
    Gone,
}

/// Standard output cannot be written, and not because its reader has gone.
#[derive(Debug, Error)]
#[error("cannot write standard output: {0}")]
pub struct OutputError(io::Error);

/// Writes `text` to standard output as it stands.
///
/// # Errors
/// [`OutputError`] if it was not written whole although somebody could still read it.
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

/// A line for people on standard error: how far it is, what is odd. Nothing depends on it, so it may get lost.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The failure of a program: one line on standard error, and its exit code.
#[must_use]
pub fn fail(program: &str, failure: impl Display, exit_code: ExitCode) -> ExitCode {
    // If standard error cannot be written either, the exit code alone tells.
    note(format_args!("{program}: {failure}"));
    exit_code
}

/// The command line of `program`, parsed; or the exit code with which the program ends, since it was asked for help or
/// its version, or since the command line is wrong (2).
///
/// # Errors
/// The exit code: 1 if the help could not be printed.
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

/// Standard output keeps what follows the last line end in a buffer whose fate nobody learns of at the end of a
/// process, so the buffer is emptied here.
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

    /// Takes text into its buffer and fails when that is to be written.
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
