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
    let output = flashgate(&["sale", "list", "--operator", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("http://127.0.0.1:1 cannot be reached"));
    let output = flashgate(&["sale", "list", "--operator", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(2));
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
