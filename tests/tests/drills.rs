//! A short form of the drills: each kind of server once, and each line. `scripts/drill` runs them longer, and a
//! failover, whose replica does not always get as far as to be behind.

use flashgate_tests::{
    Seed,
    drill::{Field, Kind},
};

/// Killed and frozen: twice four servers.
const SERVER_STRIKES: usize = 8;
const LINE_STRIKES: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_killed_and_frozen_and_lines_break_under_load_and_nothing_is_lost() {
    let seed = Seed::of_this_run();
    let mut random = seed.generator();
    let mut field = Field::new().await;
    for (kind, strikes) in [(Kind::Servers, SERVER_STRIKES), (Kind::Lines, LINE_STRIKES)] {
        let tally = field.drill(kind, strikes, &mut random, |line| println!("{line}")).await;
        assert_eq!(tally.strikes(), strikes);
    }
    field.stop().await;
}
