//! A short form of the drills: each kind of server once, each line, and a failover. `scripts/drill` runs them longer.

use std::io::{self, Write};

use flashgate_tests::{
    Seed,
    drill::{Field, Kind, fail_over, live},
    own_stack::OwnStack,
    stack::Stack,
};

/// Killed and frozen: twice four servers.
const SERVER_STRIKES: usize = 8;
const LINE_STRIKES: usize = 6;
/// Every fate of an order, a few times.
const LIVES: usize = 150;
/// One disk each.
const DISK_STRIKES: usize = 2;

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

/// Where no server can have a small disk, this says so past the harness, which hides what a test that passes prints.
#[tokio::test(flavor = "multi_thread")]
async fn disks_of_mysql_and_the_broker_become_full_under_load_and_nothing_is_lost() {
    if let Some(missing) = OwnStack::cannot_fill().await {
        writeln!(io::stderr(), "NOT RUN: full disks of MySQL and the broker: {missing}")
            .expect("a standard error");
        return;
    }
    let mut random = Seed::of_this_run().generator();
    let mut field = Field::on_small_disks().await;
    let tally = field.drill(Kind::Disks, DISK_STRIKES, &mut random, |line| println!("{line}")).await;
    assert_eq!(tally.strikes(), DISK_STRIKES);
    field.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_live_through_everything_and_units_and_money_agree() {
    let mut random = Seed::of_this_run().generator();
    println!("{}", live(Stack::from_env(), LIVES, None, &mut random).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_behind_stops_the_sale_and_learns_what_it_had_not_heard_of() {
    let mut random = Seed::of_this_run().generator();
    println!("{}", fail_over(Stack::from_env(), &mut random).await);
}
