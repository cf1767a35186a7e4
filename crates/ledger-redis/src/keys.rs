//! The names of the keys in Redis. Every key of a sale contains the hash tag of its shard.

use flashgate_domain::{BatchId, OrderId, SaleId, Shard, id::ShardCount};

use super::config::KeyPrefix;

/// The names of all keys of a deployment.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: KeyPrefix,
    pub(super) shards: ShardCount,
}

impl Keys {
    pub(super) const fn new(prefix: KeyPrefix, shards: ShardCount) -> Self {
        Self { prefix, shards }
    }

    fn of_shard(&self, shard: Shard, rest: &str) -> String {
        format!("{}:{{s{shard}}}:{rest}", self.prefix.as_str())
    }

    fn of_sale(&self, sale: SaleId, what: &str) -> String {
        self.of_shard(self.shard_of(sale), &format!("{what}:{sale}"))
    }

    /// The shard of a sale.
    pub(super) fn shard_of(&self, sale: SaleId) -> Shard {
        sale.shard(self.shards)
    }

    /// Hash: the state, the window and the counters of a sale (columns in `prepare.lua`).
    pub(super) fn sale(&self, sale: SaleId) -> String {
        self.of_sale(sale, "sale")
    }

    /// Hash: buyer digest, 16 bytes → units held, decimal.
    pub(super) fn held(&self, sale: SaleId) -> String {
        self.of_sale(sale, "held")
    }

    /// Hash: key digest, 16 bytes → order id u64, quantity u32, big-endian; then `r` if the order gave its units up.
    pub(super) fn keys(&self, sale: SaleId) -> String {
        self.of_sale(sale, "keys")
    }

    /// The three keys of a sale, in the order in which the scripts take them.
    pub(super) fn three_of(&self, sale: SaleId) -> [String; 3] {
        [self.sale(sale), self.held(sale), self.keys(sale)]
    }

    /// Hash: the log entry of a batch. `status`, `nonce`, `at`; except for a fence also `intents` (as in
    /// `intents.lua`), `states` (one character per order) and `sales` (id u64, orders u32, units u32 each), and `body`
    /// (of the batch's message) while it is open.
    pub(super) fn log(&self, batch: BatchId) -> String {
        self.log_of(batch.base())
    }

    /// The log entry of an order's batch.
    pub(super) fn log_of(&self, order: OrderId) -> String {
        format!("{}{:016x}", self.log_prefix(order.shard()), order.base().get())
    }

    /// The prefix of a shard's log entries; the base of the batch follows, 16 hexadecimal digits.
    pub(super) fn log_prefix(&self, shard: Shard) -> String {
        self.of_shard(shard, "log:")
    }

    /// Sorted set: the batches that are deducted and not settled, by deduction time in ms.
    pub(super) fn open(&self, shard: Shard) -> String {
        self.of_shard(shard, "open")
    }

    /// Number: the orders in the batches of [`Keys::open`].
    pub(super) fn open_orders(&self, shard: Shard) -> String {
        self.of_shard(shard, "open_orders")
    }

    /// Hash: `ledger` and `store`, the identities, 32 hexadecimal digits each.
    pub(super) fn identity(&self, shard: Shard) -> String {
        self.of_shard(shard, "identity")
    }

    /// Sorted set: the closed sales without open batches, by the end of their retention in ms.
    pub(super) fn retired(&self, shard: Shard) -> String {
        self.of_shard(shard, "retired")
    }

    /// A key for the checks at the start; it lives for their duration.
    pub(super) fn access(&self, shard: Shard) -> String {
        self.of_shard(shard, "access")
    }

    /// Number: the target of the health checks' writes.
    pub(super) fn health(&self, shard: Shard) -> String {
        self.of_shard(shard, "health")
    }

    /// Number: the count of gateway starts.
    pub(super) fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix.as_str())
    }

    /// The channel of the ledger events, one per deployment.
    pub(super) fn events(&self) -> String {
        format!("{}:events", self.prefix.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_sale_carries_the_tag_of_its_shard() {
        let shards = ShardCount::new(4).unwrap();
        let keys = Keys::new("shop".parse().unwrap(), shards);
        let sale = SaleId::new(7).unwrap();
        let tag = format!("shop:{{s{}}}:", sale.shard(shards));
        assert_eq!(keys.three_of(sale), ["sale:7", "held:7", "keys:7"].map(|rest| format!("{tag}{rest}")));
        assert_eq!(keys.open(sale.shard(shards)), format!("{tag}open"));
    }

    #[test]
    fn an_order_leads_to_the_entry_of_its_batch() {
        let keys = Keys::new(KeyPrefix::default(), ShardCount::ONE);
        let batch: BatchId = "0000000000020400000000000000002a".parse().unwrap();
        assert_eq!(keys.log(batch), "flashgate:{s1}:log:0000000000020400");
        assert_eq!(keys.log_of(batch.order(1_023).unwrap()), keys.log(batch));
    }
}
