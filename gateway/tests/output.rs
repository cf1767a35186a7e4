//! What the program prints meets closed pipes and full disks.

use std::process::Command;

use flashgate_output::contract::prints_as_promised;

#[test]
fn every_command_that_prints_survives_a_reader_that_has_gone_and_tells_of_a_full_disk() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config.sample.toml");
    let commands: [&[&str]; 6] = [
        &["openapi"],
        &["config", "default"],
        &["config", "check", config],
        &["--help"],
        &["--version"],
        &["help", "serve"],
    ];
    for words in commands {
        prints_as_promised(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
            command.args(words);
            command
        });
    }
}
