//! Compiles the .proto files without `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = ["dead_letters", "messages", "operations", "payment", "purchase", "sale"]
        .map(|name| format!("flashgate/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".flashgate.v1.OrderBatch.batch_id").compile_fds(descriptors)?;
    Ok(())
}
