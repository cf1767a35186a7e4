//! A wrong command line ends with exit code 2 and names the flag, before anything is sent.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::process::{Command, Output};

fn flashgate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flashgate")).args(arguments).output().unwrap()
}

#[test]
fn a_wrong_flag_of_load_is_named() {
    let wrong: [(&[&str], &str); 14] = [
        (&[], "--sale"),
        (&["--sale", "0"], "--sale"),
        (&["--sale", "1", "--target", "https://gate:1"], "--target"),
        (&["--sale", "1", "--rate", "0"], "--rate"),
        (&["--sale", "1", "--duration", "soon"], "--duration"),
        (&["--sale", "1", "--connections", "0"], "--connections"),
        (&["--sale", "1", "--in-flight", "2"], "--in-flight"),
        (&["--sale", "1", "--threads", "65"], "--threads"),
        (&["--sale", "1", "--duplicates", "1"], "--duplicates"),
        (&["--sale", "1", "--quantity", "0"], "--quantity"),
        (&["--sale", "1", "--release-at", "1s"], "--buyers"),
        (&["--sale", "1", "--header", "no colon"], "--header"),
        (&["--sale", "1", "--echo"], "--echo"),
        (&["--echo", "echo"], "--echo"),
    ];
    for (flags, name) in wrong {
        let output = flashgate(&[&["load"], flags].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(name), "{flags:?}: {stderr}");
    }
}

#[test]
fn an_operator_that_is_not_there_is_exit_code_5() {
    let output = flashgate(&["sale", "list", "--worker", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("--worker http://127.0.0.1:1 cannot be reached")
    );
    for flag in ["--worker", "--operator"] {
        let output = flashgate(&["sale", "list", flag, "127.0.0.1:1"]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
    }
}

#[test]
fn every_number_that_is_wrong_is_told_what_is_expected() {
    let sale = ["sale", "create", "--title", "x", "--currency", "EUR", "--closes", "+1h"];
    let more: [&[&str]; 4] = [
        &["--stock", "1", "--price-minor", "19.99"],
        &["--price-minor", "1", "--stock", "many"],
        &["--price-minor", "1", "--stock", "1", "--limit-per-buyer", "1.5"],
        &["--price-minor", "1", "--stock", "1", "--quantity-max", "0"],
    ];
    let others: [&[&str]; 4] = [
        &["sale", "list", "--limit", "0"],
        &["sale", "list", "--after", "x"],
        &["repair", "list", "--limit", "1001"],
        &["load", "--sale", "1", "--requests", "1e6"],
    ];
    let created = more.iter().map(|flags| [&sale[..], flags].concat());
    for words in created.chain(others.iter().map(|words| words.to_vec())) {
        let output = flashgate(&words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
        assert!(stderr.contains("must be a whole number"), "{words:?}: {stderr}");
    }
    let price = flashgate(&[&sale[..], more[0]].concat());
    let stderr = String::from_utf8_lossy(&price.stderr);
    assert!(stderr.contains("19.99 in cents is 1999"), "{stderr}");
}

#[test]
fn shells_and_manuals_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = flashgate(&["completions", shell]);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("preheat"), "{shell}");
    }
    let output = flashgate(&["man"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("Exit codes"));
}
