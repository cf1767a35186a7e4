-- What operators repaired: one row a repair, written before it begins and completed when it has ended. Never changed
-- or deleted by any service otherwise.
CREATE TABLE repair_events (
    id               BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    sale_id          BIGINT UNSIGNED NULL,
    kind             VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    actor            VARCHAR(128) CHARACTER SET utf8mb4 NOT NULL,
    reason           VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
    before_text      TEXT CHARACTER SET utf8mb4 NOT NULL,
    after_text       TEXT CHARACTER SET utf8mb4 NULL,
    began_at_ms      BIGINT UNSIGNED NOT NULL,
    ended_at_ms      BIGINT UNSIGNED NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB;
