//! The demo ends with a proof, and with the exit code that says whether it held.

use crate::process::flashgate;

/// The number at the beginning of each value in the rows of that name, in the order of the tables.
fn numbers(printed: &str, name: &str) -> Vec<u64> {
    let rows =
        printed.lines().filter_map(|line| line.strip_prefix("│ ")?.strip_prefix(name)?.strip_prefix("  "));
    let digits = |value: &str| value.chars().take_while(char::is_ascii_digit).collect::<String>();
    rows.map(|value| digits(value.trim_start()).parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_demo_proves_its_sale() {
    let mut command = flashgate();
    command.args(["demo", "--buyers", "2000", "--units", "100", "--bots", "3", "--rate", "2000"]);
    // A third of the orders is to be paid in that time, also on a busy machine.
    command.args(["--pay-within", "20s"]);
    let output = command.output().await.unwrap();
    let (printed, log) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{printed}\n{log}");
    assert!(log.contains("2000 people and 3 bots"), "{log}");
    assert!(log.contains("units are on sale again"), "{log}");
    assert!(printed.contains("The proof holds: "), "{printed}");
    let of = |name| numbers(&printed, name);
    // Each name is in the table of the rush and in that of the resale.
    let [shipped, not_shipped, refunded, cancelled, left, failed] = [
        "paid and shipped",
        "paid, could not be shipped, refunded",
        "paid, cancelled by an operator, refunded",
        "cancelled by the buyer",
        "not paid in time",
        "failed",
    ]
    .map(of);
    assert_eq!((of("accepted"), failed), (vec![100, 73], vec![0, 0]), "{printed}\n{log}");
    assert_eq!((shipped, not_shipped, refunded), (vec![27, 73], vec![3, 0], vec![3, 0]), "{printed}");
    assert_eq!((cancelled, left), (vec![33, 0], vec![34, 0]), "{printed}");
    // The stores and the provider say the same.
    for (name, expected) in [
        ("units on sale", 100),
        ("sold", 100),
        ("left", 0),
        ("promised orders", 173),
        ("orders timed out", 34),
        ("orders cancelled by buyers", 33),
        ("orders refunded", 6),
        ("units given up", 73),
        ("payments captured", 106),
        ("refunds", 6),
        ("paid orders", 100),
    ] {
        assert_eq!(of(name), [expected], "{name}: {printed}");
    }
}
