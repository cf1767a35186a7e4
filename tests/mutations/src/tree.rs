//! The copy of the tree that is broken: the user's own is never touched.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, bail};

use crate::mutation::Mutation;

/// A copy at a place that stays the same: cargo builds incrementally from run to run.
pub struct Tree {
    /// Where it stands.
    pub root: PathBuf,
    /// Where cargo builds it.
    pub target: PathBuf,
}

impl Tree {
    /// Brings the copy in `folder` up to date with the working tree at `source`, or with its last commit. Files
    /// that are the same keep their times, so that cargo builds only what has changed.
    ///
    /// # Errors
    /// If git does not answer, or a file cannot be copied.
    pub fn refresh(source: &Path, folder: &Path, committed: bool) -> anyhow::Result<Self> {
        let (root, archive) = (folder.join("tree"), folder.join("commit"));
        fs::create_dir_all(&root).with_context(|| root.display().to_string())?;
        let (from, names) = if committed {
            remove(&archive)?;
            extract(source, &archive)?;
            (archive.as_path(), names(source, &["ls-tree", "-r", "-z", "--name-only", "HEAD"])?)
        } else {
            (source, names(source, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?)
        };
        let names: BTreeSet<String> = names.into_iter().filter(|name| from.join(name).is_file()).collect();
        for name in &names {
            let (new, copy) = (from.join(name), root.join(name));
            let is_same = fs::read(&copy).is_ok_and(|old| fs::read(&new).is_ok_and(|new| old == new));
            if !is_same {
                put(&new, &copy)?;
            }
        }
        remove_others(&root, &root, &names)?;
        remove(&archive)?;
        Ok(Self { root, target: folder.join("target") })
    }

    /// Takes over what cargo has built of other people's crates: links to the libraries, copies of the rest. Best
    /// effort: whatever is missing is built.
    pub fn take_over(&self, target: &Path) {
        let (from, to) = (target.join("debug"), self.target.join("debug"));
        if to.exists() {
            return;
        }
        for (part, how) in [("deps", "-al"), ("build", "-a"), (".fingerprint", "-a")] {
            let (from, to) = (from.join(part), to.join(part));
            let Ok(entries) = fs::read_dir(&from) else { continue };
            if fs::create_dir_all(&to).is_err() {
                continue;
            }
            let is_foreign = |path: &PathBuf| !path.to_string_lossy().contains("flashgate");
            let paths: Vec<PathBuf> =
                entries.flatten().map(|entry| entry.path()).filter(is_foreign).collect();
            for some in paths.chunks(500) {
                let _best_effort = Command::new("cp").arg(how).arg("--").args(some).arg(&to).status();
            }
        }
    }

    /// Puts the break in, to be taken out by [`Damage::mend`].
    ///
    /// # Errors
    /// If it does not apply.
    pub fn damage(&self, mutation: &Mutation) -> anyhow::Result<Damage> {
        let path = self.root.join(&mutation.file);
        let whole = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        fs::write(&path, mutation.apply(&whole)?).with_context(|| path.display().to_string())?;
        Ok(Damage { path, whole })
    }
}

/// A broken file, and what stood in it.
#[must_use]
pub struct Damage {
    path: PathBuf,
    whole: String,
}

impl Damage {
    /// Writes the file as it was. It gets a new time: cargo must not take what it built of the broken one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn mend(self) -> anyhow::Result<()> {
        fs::write(&self.path, &self.whole).with_context(|| self.path.display().to_string())
    }
}

fn git(source: &Path, words: &[&str]) -> anyhow::Result<Output> {
    let output = Command::new("git").arg("-C").arg(source).args(words).output().context("git")?;
    if !output.status.success() {
        bail!("git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output)
}

fn names(source: &Path, words: &[&str]) -> anyhow::Result<Vec<String>> {
    let output = git(source, words)?;
    let names = String::from_utf8(output.stdout)?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn extract(source: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let archive = to.join("commit.tar");
    let archive_name = archive.display().to_string();
    git(source, &["archive", "--format=tar", "-o", &archive_name, "HEAD"])?;
    let status = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(to).status().context("tar")?;
    anyhow::ensure!(status.success(), "tar failed");
    fs::remove_file(&archive).context(archive_name)
}

fn put(new: &Path, copy: &Path) -> anyhow::Result<()> {
    if let Some(folder) = copy.parent() {
        fs::create_dir_all(folder)?;
    }
    // The copy has the time of now, as cargo needs it, whenever the original was written.
    fs::copy(new, copy).with_context(|| copy.display().to_string())?;
    Ok(())
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context(folder.display().to_string()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes every file below `folder` that is not in `names`.
fn remove_others(root: &Path, folder: &Path, names: &BTreeSet<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(root, &path, names)?;
            continue;
        }
        let is_known =
            path.strip_prefix(root).ok().and_then(Path::to_str).is_some_and(|name| names.contains(name));
        if !is_known {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
