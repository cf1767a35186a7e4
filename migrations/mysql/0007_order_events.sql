-- The transitions of orders after they were placed. `version` is the number of the states of an order so far: 1 until
-- its first transition. MySQL adds the column without touching a row, or not at all.
ALTER TABLE orders ADD COLUMN version INT UNSIGNED NOT NULL DEFAULT 1, ALGORITHM = INSTANT;

-- One row a transition, written with it and never changed or deleted: `version` is that of the order after it.
CREATE TABLE order_events (
    order_id         BIGINT UNSIGNED NOT NULL,
    version          INT UNSIGNED NOT NULL,
    from_state       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    from_reason      VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NULL,
    to_state         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    to_reason        VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NULL,
    actor            VARCHAR(160) CHARACTER SET utf8mb4 NOT NULL,
    cause            VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
    at_ms            BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (order_id, version)
) ENGINE = InnoDB;

-- The events that are not published yet: one row an event, written with it and deleted after it was published. `at_ms`
-- is that of the event, so that the oldest events are the first rows.
CREATE TABLE unpublished_events (
    at_ms            BIGINT UNSIGNED NOT NULL,
    order_id         BIGINT UNSIGNED NOT NULL,
    version          INT UNSIGNED NOT NULL,
    PRIMARY KEY (at_ms, order_id, version)
) ENGINE = InnoDB;
