-- The transitions of orders after they were placed. `version` is the number of the states of an order so far: 1 until
-- its first transition.
ALTER TABLE orders ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- One row a transition, written with it and never changed or deleted: `version` is that of the order after it.
CREATE TABLE order_events (
    order_id         INTEGER NOT NULL,
    version          INTEGER NOT NULL,
    from_state       TEXT    NOT NULL,
    from_reason      TEXT,
    to_state         TEXT    NOT NULL,
    to_reason        TEXT,
    actor            TEXT    NOT NULL,
    cause            TEXT    NOT NULL,
    at_ms            INTEGER NOT NULL,
    PRIMARY KEY (order_id, version)
) STRICT, WITHOUT ROWID;

-- The events that are not published yet: one row an event, written with it and deleted after it was published. `at_ms`
-- is that of the event, so that the oldest events are the first rows.
CREATE TABLE unpublished_events (
    at_ms            INTEGER NOT NULL,
    order_id         INTEGER NOT NULL,
    version          INTEGER NOT NULL,
    PRIMARY KEY (at_ms, order_id, version)
) STRICT, WITHOUT ROWID;
