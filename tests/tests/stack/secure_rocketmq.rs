//! A RocketMQ that demands TLS and signatures: what the bus promises holds, and refusals are told.

#![expect(clippy::expect_used, reason = "a test may fail at any line")]

use std::{sync::Arc, time::Duration};

use flashgate_domain::SystemClock;
use flashgate_messaging::{
    BusError,
    contract::{browsing, deliveries, transactions},
    rocketmq::{RocketMq, RocketMqConfig, TlsConfig},
};
use flashgate_tests::{eventually, own_stack::OwnStack, secure::Secure};

/// How long servers may take to load other certificates.
const RELOAD_TIME: Duration = Duration::from_secs(60);

/// The fault of the first requests to name server and broker.
async fn refused(config: RocketMqConfig) -> BusError {
    let (group, topic) =
        (config.group("gateway-settle").expect("a name"), config.topic("outcomes").expect("a name"));
    let mq = match RocketMq::connect(config, Arc::new(SystemClock)).await {
        Ok(mq) => mq,
        Err(fault) => return fault,
    };
    mq.subscribe(group, topic).await.err().expect("a refusal")
}

fn assert_told(fault: &BusError, part: &str) {
    assert!(fault.is_refusal() && fault.to_string().contains(part), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bus_keeps_its_promises_on_a_rocketmq_that_demands_tls_and_signatures() {
    let stack = OwnStack::secure("rocketmq", "secure").await;
    let (access, name_server) = (stack.access(), stack.name_server());
    let administrator = || access.rocketmq(&name_server, "administrator");
    transactions::a_committed_half_message_is_delivered_once_and_unchanged(administrator()).await;
    transactions::a_producer_that_never_sent_answers_for_one_that_died(administrator()).await;
    deliveries::uncommitted_messages_are_redelivered_and_committed_ones_are_not(administrator()).await;
    deliveries::two_members_of_a_group_divide_the_queues(administrator()).await;
    browsing::a_browser_reads_every_message_and_takes_none(administrator()).await;

    let signed_by = |user: &str, password: &str| RocketMqConfig {
        user: Some(user.to_owned()),
        password: Some(password.to_owned().into()),
        password_file: None,
        ..administrator()
    };
    let wrong = refused(signed_by("administrator", "wrong")).await;
    assert_told(&wrong, "user or password refused");
    assert_told(&wrong, "check rocketmq.user, rocketmq.password");
    assert_told(&refused(signed_by("nobody", "wrong")).await, "user or password refused");
    let unsigned = RocketMqConfig { user: None, password_file: None, ..administrator() };
    assert_told(&refused(unsigned).await, "user or password refused");
    // A worker may publish outcomes, not consume them.
    assert_told(&refused(access.rocketmq(&name_server, "worker")).await, "permission");

    assert_told(
        &refused(trusting(&access, administrator(), access.unknown_authority())).await,
        "rocketmq.tls.ca_file",
    );
    let plain = refused(RocketMqConfig { tls: TlsConfig::default(), ..administrator() }).await;
    assert!(matches!(plain, BusError::Unavailable { .. }), "{plain:?}");
    stack.give_certificate("rocketmq", "expired").await;
    // The servers look for other files at intervals.
    eventually("an expired certificate is refused", RELOAD_TIME, async || {
        let Err(fault) = RocketMq::connect(administrator(), Arc::new(SystemClock)).await else {
            return Err("accepted".to_owned());
        };
        if fault.to_string().contains("expired") { Ok(()) } else { Err(fault.to_string()) }
    })
    .await;
    stack.give_certificate("rocketmq", "valid").await;
}

fn trusting(access: &Secure, config: RocketMqConfig, authority: &str) -> RocketMqConfig {
    let tls =
        TlsConfig { enabled: true, ca_file: Some(authority.into()), ..access.rocketmq("", "gateway").tls };
    RocketMqConfig { tls, ..config }
}
