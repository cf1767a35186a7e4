-- The tables of a new ledger. Argument: none; the header of the file (application_id, user_version) is set apart.
--
-- What buyers hold and which keys have an order is in no table: it follows from `batches`, `outcomes` and `returns`, in
-- the order of `number`, and is kept in memory. So a deduction appends one row, however scattered its buyers' digests
-- are.

-- One row: the number of shards of the sale ids, the number of gateway starts, and the identities of the ledger and of
-- the order store that it belongs to, once they are set.
CREATE TABLE ledger (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  shards INTEGER NOT NULL,
  starts INTEGER NOT NULL,
  ledger_id BLOB,
  store_id BLOB
) STRICT;

-- `available = initial + restocked + returned - deducted`. `epoch` increases with every returned unit, `sequence` with
-- every change, `adjustments` with every compensating step. `released` is what confirmed orders
-- gave up. The orders and units of open batches are pending. Batches with a `number` below `born` do not belong to the
-- sale: they were of an earlier one, or were settled when it was missing.
CREATE TABLE sales (
  id INTEGER PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('prepared', 'active', 'paused', 'closed')),
  generation INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  opens_at_ms INTEGER NOT NULL,
  closes_at_ms INTEGER NOT NULL,
  limit_per_buyer INTEGER NOT NULL,
  initial INTEGER NOT NULL,
  restocked INTEGER NOT NULL,
  returned INTEGER NOT NULL,
  deducted INTEGER NOT NULL,
  written_off INTEGER NOT NULL,
  reclaimed INTEGER NOT NULL,
  available INTEGER NOT NULL CHECK (available = initial + restocked + returned - deducted),
  pending_orders INTEGER NOT NULL,
  pending_units INTEGER NOT NULL,
  born INTEGER NOT NULL,
  expires_at_ms INTEGER,
  adjustments INTEGER NOT NULL DEFAULT 0,
  released INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The deduction log, in the order in which the batches were applied. `late`: deducted from its outcome, since the
-- ledger did not have it. The nonce is the random half of the batch id, as a signed number. Sales are 8 bytes each; an
-- intent is 38 bytes: sale number u16 | quantity u32 | key digest 16 bytes | buyer digest 16 bytes, big-endian.
CREATE TABLE batches (
  number INTEGER PRIMARY KEY,
  base INTEGER NOT NULL UNIQUE,
  nonce INTEGER NOT NULL,
  deducted_at_ms INTEGER NOT NULL,
  late INTEGER NOT NULL,
  sales BLOB NOT NULL,
  intents BLOB NOT NULL
) STRICT;

-- The outcome of a batch, one letter per order. A batch without one is open.
CREATE TABLE outcomes (
  number INTEGER PRIMARY KEY,
  expires_at_ms INTEGER NOT NULL,
  states BLOB NOT NULL
) STRICT;
CREATE INDEX outcomes_by_expiry ON outcomes (expires_at_ms);

-- The orders that were confirmed and gave their units up: each proves that its units are back. A row is kept as long as
-- the batch of the order, which is kept as long as its sales.
CREATE TABLE returns (order_id INTEGER PRIMARY KEY) STRICT;

-- Batches that a check-back did not find: they can never be deducted.
CREATE TABLE fences (
  base INTEGER PRIMARY KEY,
  nonce INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX fences_by_expiry ON fences (expires_at_ms);
