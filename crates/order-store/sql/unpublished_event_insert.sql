-- Stores an event as unpublished. Arguments: at, order id, version.
INSERT INTO unpublished_events (at_ms, order_id, version) VALUES (?, ?, ?)
