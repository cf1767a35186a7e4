-- Units that operators added to sales: one row a restock, written with the units in one transaction, and never changed.
-- `restocked` is that of the sale after it.
CREATE TABLE restocks (
    id               BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    idempotency_key  VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sale_id          BIGINT UNSIGNED NOT NULL,
    units            BIGINT UNSIGNED NOT NULL,
    operator         VARCHAR(128) CHARACTER SET utf8mb4 NOT NULL,
    cause            VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
    restocked        BIGINT UNSIGNED NOT NULL,
    at_ms            BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY restocks_idempotency_key (idempotency_key),
    KEY restocks_of_sale (sale_id, id)
) ENGINE = InnoDB;
