-- Payments: attempts to pay orders, the callbacks that were recorded, refunds, and the work that is due.
--
-- One row an attempt, never deleted. `amount_minor` of `currency` is due; `paid_minor` of `paid_currency` is what the
-- provider took. An order has at most one open attempt.
CREATE TABLE payment_attempts (
    order_id         INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    amount_minor     INTEGER NOT NULL,
    currency         TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    paid_minor       INTEGER,
    paid_currency    TEXT,
    tries            INTEGER NOT NULL,
    opened_at_ms     INTEGER NOT NULL,
    changed_at_ms    INTEGER NOT NULL,
    PRIMARY KEY (order_id, number)
) STRICT, WITHOUT ROWID;

-- The callbacks that were recorded, so that each is recorded once; deleted when the provider does not redeliver them any
-- more.
CREATE TABLE payment_callbacks (
    callback_id      TEXT    NOT NULL PRIMARY KEY,
    received_at_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_callbacks_received ON payment_callbacks (received_at_ms);

-- One row a refund, never deleted. `number` is that of its attempt, `refund_number` its own among those of the attempt.
CREATE TABLE refunds (
    order_id         INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    refund_number    INTEGER NOT NULL,
    amount_minor     INTEGER NOT NULL,
    currency         TEXT    NOT NULL,
    cause            TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    tries            INTEGER NOT NULL,
    last_error       TEXT,
    retry_operator   TEXT,
    retry_cause      TEXT,
    created_at_ms    INTEGER NOT NULL,
    changed_at_ms    INTEGER NOT NULL,
    PRIMARY KEY (order_id, number, refund_number)
) STRICT, WITHOUT ROWID;

-- When the state of an open attempt at the provider is to be checked: one row an open attempt, written with it and
-- deleted when it is open no longer. The table is small, so it has an index by time.
CREATE TABLE due_checks (
    order_id         INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    at_ms            INTEGER NOT NULL,
    PRIMARY KEY (order_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX due_checks_at ON due_checks (at_ms, order_id, number);

-- When the provider is to be asked for a refund: one row a refund in progress, likewise.
CREATE TABLE due_refunds (
    order_id         INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    refund_number    INTEGER NOT NULL,
    at_ms            INTEGER NOT NULL,
    PRIMARY KEY (order_id, number, refund_number)
) STRICT, WITHOUT ROWID;
CREATE INDEX due_refunds_at ON due_refunds (at_ms, order_id, number, refund_number);
