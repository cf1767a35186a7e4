-- Which store this is, and which ledger belongs to it: one row. `store_id` are 16 random bytes, made here and never
-- again: whoever finds others talks to another database than before. `ledger_id` is registered once, by the first
-- gateway that asks. (MySQL looks at CHECK from 8.0.16 on.)
CREATE TABLE deployment (
    singleton        TINYINT UNSIGNED NOT NULL,
    store_id         BINARY(16) NOT NULL,
    ledger_id        BINARY(16) NULL,
    PRIMARY KEY (singleton),
    CONSTRAINT deployment_has_one_row CHECK (singleton = 1)
) ENGINE = InnoDB;

INSERT INTO deployment (singleton, store_id, ledger_id) VALUES (1, RANDOM_BYTES(16), NULL);

-- What a health check writes, since a server that can only be read does no work: one row.
CREATE TABLE health_checks (
    singleton        TINYINT UNSIGNED NOT NULL,
    checks           BIGINT UNSIGNED NOT NULL,
    checked_at_ms    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (singleton),
    CONSTRAINT health_checks_has_one_row CHECK (singleton = 1)
) ENGINE = InnoDB;

INSERT INTO health_checks (singleton, checks, checked_at_ms) VALUES (1, 0, 0);
