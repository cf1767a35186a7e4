//! Disks that become full while buyers buy, and have room again.

use std::time::Duration;

use flashgate_domain::SaleId;
use tokio::time::sleep;

use super::Field;
use crate::{eventually::eventually, own_stack::Part, rush::Rush};

/// How many disks can be filled on one stack: what the broker keeps stays on its disk.
pub const DISK_STRIKES_MAX: usize = 4;
/// How many orders may wait for MySQL: some seconds of the buyers of a drill.
pub(super) const BACKLOG_MAX: u64 = 1_000;
/// How many more a gateway may let in: it asks how many there are ten times a second.
const BACKLOG_EXCESS_MAX: u64 = 300;
/// A broker looks at its disk every second, and for the first time a minute after its start.
const NOTICE_TIME: Duration = Duration::from_secs(90);
/// How long nobody must get through.
const FULL_TIME: Duration = Duration::from_secs(3);
/// Between two looks at the backlog.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The broker refuses messages above 90 %.
const BROKER_FULL_PERCENT: u32 = 93;
/// As many refusals within [`FULL_TIME`] tell that buyers do not wait for them.
const REFUSALS_MIN: f64 = 24.0;

impl Field {
    /// Fills MySQL's disk to the last byte: purchases go on until the backlog is full, then all are refused. Makes room
    /// when that has been seen.
    pub(super) async fn fill_mysql(&self, sale: SaleId, restart: bool) {
        let before = self.answers("backlog_full").await;
        let accepted = self.answers("accepted").await;
        self.servers.fill(Part::Mysql, 100).await;
        eventually("the backlog is full", NOTICE_TIME, async || {
            let waiting = self.shop.stock.pending_orders(sale).await;
            let refused = self.answers("backlog_full").await - before;
            if refused > 0.0 { Ok(()) } else { Err(format!("{waiting} orders wait, nobody is refused")) }
        })
        .await;
        let accepted = self.answers("accepted").await - accepted;
        assert!(accepted > 0.0, "nobody could buy while there was room in the backlog");
        self.backlog_is_kept(sale).await;
        self.servers.make_room(Part::Mysql).await;
        // MySQL ends by itself if it cannot write its binary log (`binlog_error_action`).
        self.servers.start_again(Part::Mysql).await;
        if restart {
            self.servers.kill(Part::Mysql).await;
            self.servers.start_again(Part::Mysql).await;
        }
    }

    /// The backlog that is full takes nobody in.
    async fn backlog_is_kept(&self, sale: SaleId) {
        let looks = FULL_TIME.as_millis() / LOOK_AGAIN.as_millis();
        for _look in 0..looks {
            let waiting = self.shop.stock.pending_orders(sale).await;
            assert!(
                waiting <= BACKLOG_MAX + BACKLOG_EXCESS_MAX,
                "{waiting} orders wait, of {BACKLOG_MAX} at most"
            );
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Fills the broker's disk, as a disk becomes full: past the mark from which on it refuses messages, and then to the
    /// last byte. Everybody is refused at once, and nothing is deducted. Then makes room.
    pub(super) async fn fill_broker(&self, sale: SaleId, rush: &Rush) {
        self.servers.fill(Part::Broker, BROKER_FULL_PERCENT).await;
        eventually("the broker refuses", NOTICE_TIME, async || {
            let accepted = rush.accepted();
            sleep(FULL_TIME).await;
            let more = rush.accepted() - accepted;
            if more == 0 { Ok(()) } else { Err(format!("{more} more were accepted")) }
        })
        .await;
        self.servers.fill(Part::Broker, 100).await;
        let (deducted, refused) = (self.deducted(sale).await, self.answers("broker_unavailable").await);
        sleep(FULL_TIME).await;
        let refused = self.answers("broker_unavailable").await - refused;
        assert!(refused >= REFUSALS_MIN, "{refused} buyers were refused within {FULL_TIME:?}");
        assert_eq!(self.deducted(sale).await, deducted, "units were deducted without an order");
        self.servers.make_room(Part::Broker).await;
    }

    /// How many answers of that word all gateways gave.
    async fn answers(&self, word: &str) -> f64 {
        self.shop.gateway_metric("flashgate_gateway_buys_total", &[("outcome", word)]).await
    }

    async fn deducted(&self, sale: SaleId) -> u64 {
        self.shop.stock.snapshot(sale).await.expect("the ledger has the sale").totals.deducted
    }
}
