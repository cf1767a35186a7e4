-- What operators repaired: one row a repair, written before it begins and completed when it has ended. Never changed
-- or deleted by any service otherwise.
CREATE TABLE repair_events (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    sale_id          INTEGER,
    kind             TEXT    NOT NULL,
    actor            TEXT    NOT NULL,
    reason           TEXT    NOT NULL,
    before_text      TEXT    NOT NULL,
    after_text       TEXT,
    began_at_ms      INTEGER NOT NULL,
    ended_at_ms      INTEGER
) STRICT;
