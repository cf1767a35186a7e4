-- Which store this is, and which ledger belongs to it: one row. `store_id` are 16 random bytes, made here and never
-- again. `ledger_id` is registered once, by the first gateway that asks.
CREATE TABLE deployment (
    singleton        INTEGER PRIMARY KEY CHECK (singleton = 1),
    store_id         BLOB    NOT NULL CHECK (length(store_id) = 16),
    ledger_id        BLOB    CHECK (length(ledger_id) = 16)
) STRICT;

INSERT INTO deployment (singleton, store_id, ledger_id) VALUES (1, randomblob(16), NULL);

-- What a health check writes, since a file that can only be read does no work: one row.
CREATE TABLE health_checks (
    singleton        INTEGER PRIMARY KEY CHECK (singleton = 1),
    checks           INTEGER NOT NULL,
    checked_at_ms    INTEGER NOT NULL
) STRICT;

INSERT INTO health_checks (singleton, checks, checked_at_ms) VALUES (1, 0, 0);
