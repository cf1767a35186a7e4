//! The demo ends with a proof, and with the exit code that says whether it held.

use crate::process::flashgate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_demo_proves_its_sale() {
    let mut command = flashgate();
    command.args(["demo", "--buyers", "2000", "--units", "100", "--bots", "3", "--rate", "2000"]);
    let output = command.output().await.unwrap();
    let (told, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{told}\n{said}");
    assert!(told.contains("The proof holds: 100 orders stand"), "{told}");
    assert!(said.contains("2000 people and 3 bots"), "{said}");
}
