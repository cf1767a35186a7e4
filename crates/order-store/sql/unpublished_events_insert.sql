-- Stores events as unpublished. Arguments of each: at, order id, version.
INSERT INTO unpublished_events (at_ms, order_id, version) VALUES /*each*/(?, ?, ?)/*each*/
