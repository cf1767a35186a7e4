-- Records a restock. The unique key decides which of two concurrent calls adds the units.
-- Arguments: idempotency key, sale id, units, operator, cause, units restocked since the start, time.
INSERT INTO restocks (idempotency_key, sale_id, units, operator, cause, restocked, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
