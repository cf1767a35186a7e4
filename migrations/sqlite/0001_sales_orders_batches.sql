-- The order store of the embedded mode: sales, the orders taken for them, and the batches that brought the orders.
-- SQLite 3.51. The same names as in migrations/mysql. Times are milliseconds since 1970-01-01T00:00:00Z, ids fit
-- 63 bits.

-- `saleable = initial_stock + restocked + returned - applied`, where `applied` are the units of all orders that
-- were ever confirmed. `lock_version` counts the changes of the stock. An id is never used again.
CREATE TABLE sales (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    title            TEXT    NOT NULL,
    price_minor      INTEGER NOT NULL,
    currency         TEXT    NOT NULL,
    opens_at_ms      INTEGER NOT NULL,
    closes_at_ms     INTEGER NOT NULL,
    initial_stock    INTEGER NOT NULL,
    limit_per_buyer  INTEGER NOT NULL,
    quantity_max     INTEGER NOT NULL,
    deduct_policy    TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    generation       INTEGER NOT NULL DEFAULT 0,
    saleable         INTEGER NOT NULL CHECK (saleable >= 0),
    restocked        INTEGER NOT NULL DEFAULT 0,
    returned         INTEGER NOT NULL DEFAULT 0,
    lock_version     INTEGER NOT NULL DEFAULT 0,
    created_at_ms    INTEGER NOT NULL,
    updated_at_ms    INTEGER NOT NULL
) STRICT;

-- One row a batch that was decided, for good. The order at place `i` of a batch has the id
-- `first_order_id + i`, `i` below 1024, so that the orders of a batch are one range of the primary key and need
-- no index of their own. Two batches with the same first id cannot both be here.
CREATE TABLE batches (
    first_order_id   INTEGER PRIMARY KEY,
    batch_id         BLOB    NOT NULL,
    order_count      INTEGER NOT NULL,
    created_at_ms    INTEGER NOT NULL
) STRICT;

-- An order was created when its batch was decided: `batches.created_at_ms`. Ids grow with time, so that new rows
-- go to the end of the table.
CREATE TABLE orders (
    id               INTEGER PRIMARY KEY,
    sale_id          INTEGER NOT NULL,
    buyer_id         TEXT    NOT NULL,
    idempotency_key  TEXT    NOT NULL,
    quantity         INTEGER NOT NULL,
    state            TEXT    NOT NULL,
    cancel_reason    TEXT
) STRICT;

-- The purchases that have an order: what makes a second order of the same buyer, sale and key impossible.
-- `key_digest` is 128 bits of the BLAKE3 hash of buyer and key, as in the ledger: a third of the bytes of an
-- index on the names themselves. An order that was cancelled for its duplicate key has no row of its own here.
CREATE TABLE purchases (
    sale_id          INTEGER NOT NULL,
    key_digest       BLOB    NOT NULL,
    PRIMARY KEY (sale_id, key_digest)
) STRICT, WITHOUT ROWID;
