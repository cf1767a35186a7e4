//! What the program prints meets closed pipes and full disks.

use std::process::Command;

use flashgate_output::contract::prints_as_promised;

#[test]
fn help_and_version_survive_a_reader_that_has_gone_and_report_a_full_disk() {
    for word in ["--help", "--version"] {
        prints_as_promised(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_payment-provider"));
            command.arg(word);
            command
        });
    }
}

#[test]
fn a_wrong_command_line_or_file_is_named_with_exit_code_2() {
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_payment-provider")).args(words).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let url = ["--callback-url", "http://127.0.0.1:1/callbacks"];
    let files = ["--secret-file", "/missing/secret", "--token-file", "/missing/token"];
    for (words, expected) in [
        ([url.as_slice(), &files].concat(), "--secret-file: cannot read /missing/secret"),
        ([&["--callback-url", "ftp://a"], files.as_slice()].concat(), "must be http://host[:port]/path"),
        ([url.as_slice(), &files, &["--behaviour", "kind"]].concat(), "must be prompt, slow[:MS]"),
        ([url.as_slice(), &files, &["--profile", "svix"]].concat(), "must be standard-webhooks or stripe"),
        ([url.as_slice(), &files, &["--retry-schedule", "1s,often"]].concat(), "must be a time such as"),
    ] {
        let (code, error) = run(&words);
        assert!(code == Some(2) && error.contains(expected), "{words:?}: {code:?} {error}");
    }
}
