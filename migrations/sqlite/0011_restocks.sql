-- Units that operators added to sales: one row a restock, written with the units in one transaction, and never changed.
-- `restocked` is that of the sale after it.
CREATE TABLE restocks (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    idempotency_key  TEXT    NOT NULL UNIQUE,
    sale_id          INTEGER NOT NULL,
    units            INTEGER NOT NULL,
    operator         TEXT    NOT NULL,
    cause            TEXT    NOT NULL,
    restocked        INTEGER NOT NULL,
    at_ms            INTEGER NOT NULL
) STRICT;
CREATE INDEX restocks_of_sale ON restocks (sale_id, id);
