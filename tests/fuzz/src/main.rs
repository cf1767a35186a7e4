//! `flashgate-corpus`: writes what the encoders make of ordinary values into `corpus/`, after a format has changed.

use std::fs;

use anyhow::Context;
use flashgate_fuzz::{corpus::folder, seeds::seeds, target::ALL};

fn main() -> anyhow::Result<()> {
    for target in ALL {
        let folder = folder(target);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for (name, input) in seeds(target)? {
            fs::write(folder.join(name), input)?;
        }
    }
    Ok(())
}
