-- The order store: sales, the orders taken for them, and the batches that brought the orders.
-- MySQL 8.0. Times are milliseconds since 1970-01-01T00:00:00Z, ids fit 63 bits.
--
-- No foreign keys: checking one takes a shared lock on the sale's row at the INSERT, and every chunk would hold
-- the hot row from its first statement instead of its last. A batch for a sale that does not exist is found
-- by the conditional UPDATE, which then hits no row.

-- `saleable = initial_stock + restocked + returned - applied`, where `applied` are the units of all orders that
-- were ever confirmed. `lock_version` counts the changes of the stock.
CREATE TABLE sales (
    id               BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    title            VARCHAR(200) CHARACTER SET utf8mb4 NOT NULL,
    price_minor      BIGINT UNSIGNED NOT NULL,
    currency         CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    opens_at_ms      BIGINT UNSIGNED NOT NULL,
    closes_at_ms     BIGINT UNSIGNED NOT NULL,
    initial_stock    BIGINT UNSIGNED NOT NULL,
    limit_per_buyer  INT UNSIGNED NOT NULL,
    quantity_max     INT UNSIGNED NOT NULL,
    deduct_policy    VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state            VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation       INT UNSIGNED NOT NULL DEFAULT 0,
    saleable         BIGINT UNSIGNED NOT NULL,
    restocked        BIGINT UNSIGNED NOT NULL DEFAULT 0,
    returned         BIGINT UNSIGNED NOT NULL DEFAULT 0,
    lock_version     BIGINT UNSIGNED NOT NULL DEFAULT 0,
    created_at_ms    BIGINT UNSIGNED NOT NULL,
    updated_at_ms    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB;

-- One row a batch that was decided, for good. The order at place `i` of a batch has the id
-- `first_order_id + i`, `i` below 1024, so that the orders of a batch are one range of the primary key and need
-- no index of their own. Two batches with the same first id cannot both be here.
CREATE TABLE batches (
    first_order_id   BIGINT UNSIGNED NOT NULL,
    batch_id         BINARY(16) NOT NULL,
    order_count      INT UNSIGNED NOT NULL,
    created_at_ms    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (first_order_id)
) ENGINE = InnoDB;

-- `holds_key` is 1, or NULL in an order that was cancelled because another one of that buyer has the key: NULL
-- is equal to nothing, so the unique key allows any number of those, and the key stays readable.
CREATE TABLE orders (
    id               BIGINT UNSIGNED NOT NULL,
    sale_id          BIGINT UNSIGNED NOT NULL,
    buyer_id         VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    idempotency_key  VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    holds_key        TINYINT UNSIGNED NULL,
    quantity         INT UNSIGNED NOT NULL,
    state            VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    cancel_reason    VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NULL,
    created_at_ms    BIGINT UNSIGNED NOT NULL,
    updated_at_ms    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY orders_sale_buyer_key (sale_id, buyer_id, idempotency_key, holds_key)
) ENGINE = InnoDB;
