-- Payments: attempts to pay orders, the callbacks that were recorded, refunds, and the work that is due.
--
-- One row an attempt, never deleted. `amount_minor` of `currency` is due; `paid_minor` of `paid_currency` is what the
-- provider took. An order has at most one open attempt: its row in `orders` is locked while attempts and refunds change.
CREATE TABLE payment_attempts (
    order_id         BIGINT UNSIGNED NOT NULL,
    number           INT UNSIGNED NOT NULL,
    amount_minor     BIGINT UNSIGNED NOT NULL,
    currency         CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state            VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    paid_minor       BIGINT UNSIGNED NULL,
    paid_currency    CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NULL,
    tries            INT UNSIGNED NOT NULL,
    opened_at_ms     BIGINT UNSIGNED NOT NULL,
    changed_at_ms    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (order_id, number)
) ENGINE = InnoDB;

-- The callbacks that were recorded, so that each is recorded once; deleted when the provider does not redeliver them any
-- more.
CREATE TABLE payment_callbacks (
    callback_id      VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    received_at_ms   BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (callback_id),
    KEY payment_callbacks_received (received_at_ms)
) ENGINE = InnoDB;

-- One row a refund, never deleted. `number` is that of its attempt, `refund_number` its own among those of the attempt.
-- The operator who made it for one that had failed is `retry_operator`.
CREATE TABLE refunds (
    order_id         BIGINT UNSIGNED NOT NULL,
    number           INT UNSIGNED NOT NULL,
    refund_number    INT UNSIGNED NOT NULL,
    amount_minor     BIGINT UNSIGNED NOT NULL,
    currency         CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    cause            VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state            VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    tries            INT UNSIGNED NOT NULL,
    last_error       VARCHAR(500) CHARACTER SET utf8mb4 NULL,
    retry_operator   VARCHAR(128) CHARACTER SET utf8mb4 NULL,
    retry_cause      VARCHAR(500) CHARACTER SET utf8mb4 NULL,
    created_at_ms    BIGINT UNSIGNED NOT NULL,
    changed_at_ms    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (order_id, number, refund_number)
) ENGINE = InnoDB;

-- When the state of an open attempt at the provider is to be checked: one row an open attempt, written with it and
-- deleted when it is open no longer. The table is small, so it has an index by time.
CREATE TABLE due_checks (
    order_id         BIGINT UNSIGNED NOT NULL,
    number           INT UNSIGNED NOT NULL,
    at_ms            BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (order_id, number),
    KEY due_checks_at (at_ms, order_id, number)
) ENGINE = InnoDB;

-- When the provider is to be asked for a refund: one row a refund in progress, likewise.
CREATE TABLE due_refunds (
    order_id         BIGINT UNSIGNED NOT NULL,
    number           INT UNSIGNED NOT NULL,
    refund_number    INT UNSIGNED NOT NULL,
    at_ms            BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (order_id, number, refund_number),
    KEY due_refunds_at (at_ms, order_id, number, refund_number)
) ENGINE = InnoDB;
