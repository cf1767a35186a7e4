//! Lists the migrations, so that a new file needs no other change.

use std::{env, error::Error, fmt::Write, fs, path::Path};

const FOLDER: &str = "../../migrations/sqlite";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let folder = fs::canonicalize(FOLDER)?;
    let mut files =
        fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    files.sort();
    let mut list = String::from("[");
    for file in files {
        write!(list, "include_str!({file:?}), ")?;
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("migrations.rs"), list)?;
    Ok(())
}
