//! Every command that prints, against a whole deployment: closed pipes and full disks.

use std::{
    fs::OpenOptions,
    io,
    net::SocketAddr,
    path::Path,
    process::{self, Stdio},
    time::Duration,
};

use flashgate_output::contract::prints_as_promised;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use crate::{
    door::{buy, open_sale},
    process::{Serve, flashgate},
    selling::decided,
};

const UP_MAX: Duration = Duration::from_secs(60);

/// The command with these words.
fn words(words: &[&str]) -> process::Command {
    let mut command = process::Command::new(env!("CARGO_BIN_EXE_flashgate"));
    command.args(words).env_remove("FLASHGATE_DATA_DIR");
    command
}

#[test]
fn commands_without_a_server_print_as_promised() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/embedded/serve.sample.toml");
    let commands: [&[&str]; 8] = [
        &["config", "default"],
        &["config", "check", sample],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["--version"],
        &["help", "sale", "create"],
        &["load", "--help"],
    ];
    commands.iter().for_each(|command| prints_as_promised(|| words(command)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_operators_and_loads_print_as_promised() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path()).await;
    let sale = open_sale(&serve, 1_000, 1).await;
    let (status, answer) = buy(serve.http, sale, "alice", "k1").await.unwrap();
    assert_eq!(status, 202, "{answer}");
    let order = answer["order_id"].as_str().unwrap();
    assert_eq!(decided(&serve, order, "alice").await, "confirmed");
    let sale = sale.to_string();
    let [http, worker, gateway] =
        [serve.http, serve.operator, serve.gateway].map(|address| format!("http://{address}"));
    let sides = ["--worker", worker.as_str(), "--gateway", gateway.as_str()];
    let create = [
        "sale",
        "create",
        "--title",
        "x",
        "--stock",
        "1",
        "--price-minor",
        "1",
        "--currency",
        "EUR",
        "--closes",
        "+1h",
    ];
    let at_worker: [&[&str]; 8] = [
        &create,
        &["sale", "list"],
        &["sale", "list", "--output", "json"],
        &["sale", "show", &sale],
        &["sale", "preheat", &sale],
        &["order", "show", order],
        &["repair", "list"],
        &["repair", "dead-letters", "list"],
    ];
    let at_both: [&[&str]; 4] = [
        &["audit", "--sale", &sale],
        &["audit", "--watch", "1h"],
        &["repair", "re-drive"],
        &["repair", "drift", &sale],
    ];
    let load = ["load", "--sale", sale.as_str(), "--requests", "5", "--target", http.as_str()];
    let commands = at_worker.iter().map(|command| [command, &sides[..2]].concat());
    let commands = commands.chain(at_both.iter().map(|command| [command, &sides[..]].concat()));
    let commands: Vec<Vec<&str>> = commands.chain([load.to_vec()]).collect();
    let commands: Vec<Vec<String>> =
        commands.into_iter().map(|words| words.into_iter().map(str::to_owned).collect()).collect();
    tokio::task::block_in_place(|| {
        for command in commands {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            if command.contains(&"--watch") {
                ends_when_nobody_reads(words(&command));
            } else {
                prints_as_promised(|| words(&command));
            }
        }
        prints_as_promised(|| words(&["sale", "close", &sale, "--worker", &worker]));
    });
    assert_eq!(serve.stop().await, Some(0));
}

/// An audit that is repeated for ever ends with the first print that nobody reads.
fn ends_when_nobody_reads(mut command: process::Command) {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_whose_addresses_cannot_be_printed_runs_on() {
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let unread = || {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    for stdout in [full(), unread()] {
        let folder = tempfile::tempdir().unwrap();
        runs_on(folder.path(), stdout).await;
    }
}

async fn runs_on(folder: &Path, stdout: Stdio) {
    let worker = free_port().await;
    let mut command = flashgate();
    command.args(["serve", "--http", "0", "--grpc", "0", "--gateway", "0", "--worker", &worker.to_string()]);
    let mut child = command.arg("--data-dir").arg(folder).stdout(stdout).spawn().unwrap();
    let deadline = Instant::now() + UP_MAX;
    while TcpStream::connect(worker).await.is_err() {
        assert!(Instant::now() < deadline, "{worker} is not up: {:?}", child.try_wait());
        sleep(Duration::from_millis(20)).await;
    }
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    // A moment later it has tried to print.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(child.try_wait().unwrap(), None);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[test]
fn a_demo_prints_its_proof_as_promised() {
    let demo = ["demo", "--buyers", "200", "--units", "20", "--bots", "1", "--rate", "1000"];
    let run = |stdout: Stdio| words(&demo).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let unread = run(writer.into());
    assert_eq!(unread.status.code(), Some(0), "{}", String::from_utf8_lossy(&unread.stderr));
    let full = run(OpenOptions::new().write(true).open("/dev/full").unwrap().into());
    let told = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(1), "{told}");
    assert!(told.contains("cannot write standard output") && !told.contains("panicked"), "{told}");
}
