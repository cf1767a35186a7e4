//! Part of the build scripts of the order stores: lists the migrations, so that a new file needs no other change.

use std::{env, error::Error, fmt::Write, fs, path::Path};

/// Writes `migrations.rs` for the files of `folder`: their version, description and text, by ascending version.
/// `0001_sales_orders_batches.sql` is version 1, "sales orders batches".
pub(crate) fn list(folder: &str) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={folder}");
    let folder = fs::canonicalize(folder)?;
    let mut files =
        fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    files.sort();
    let mut list = String::from("[");
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).ok_or("a migration has no name")?;
        let (number, description) = name.split_once('_').ok_or("the name of a migration has no number")?;
        let (version, description) = (number.parse::<i64>()?, description.replace('_', " "));
        write!(list, "({version}, {description:?}, include_str!({file:?})), ")?;
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("migrations.rs"), list)?;
    Ok(())
}
