//! A file for a report, opened before the run: a run of an hour must not end without a place for its figures.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use flashgate_output::exit::CliError;

/// An open file, unchanged until the report is written.
#[derive(Debug)]
pub(super) struct ReportFile {
    flag: &'static str,
    path: PathBuf,
    file: File,
    /// It did not exist before: it is removed if there is no report.
    is_new: bool,
    is_written: bool,
}

impl ReportFile {
    /// Opens the file of `flag`, if given.
    ///
    /// # Errors
    /// [`CliError::Usage`] if it cannot be written.
    pub(super) fn open(flag: &'static str, path: Option<&Path>) -> Result<Option<Self>, CliError> {
        let Some(path) = path else { return Ok(None) };
        let is_new = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|why| {
            CliError::flag(flag, format_args!("{} cannot be written: {why}", path.display()))
        })?;
        Ok(Some(Self { flag, path: path.to_owned(), file, is_new, is_written: false }))
    }

    /// Replaces the content of the file with the report.
    pub(super) fn write(mut self, report: &[u8]) -> Result<(), CliError> {
        let is_regular = self.file.metadata().is_ok_and(|about| about.is_file());
        let emptied = if is_regular { self.file.set_len(0) } else { Ok(()) };
        let written = emptied.and_then(|()| self.file.write_all(report));
        self.is_written = true;
        written.map_err(|why| {
            CliError::Other(format!("{} {} cannot be written: {why}", self.flag, self.path.display()))
        })
    }
}

impl Drop for ReportFile {
    fn drop(&mut self) {
        if self.is_new && !self.is_written {
            // An empty file left behind is harmless.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
