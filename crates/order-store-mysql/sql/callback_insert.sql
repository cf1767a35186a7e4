-- Remembers a callback. Waits for another transaction that remembers the same one. Arguments: callback id, received.
-- Affected rows: 1, or 0 if it is remembered already.
INSERT IGNORE INTO payment_callbacks (callback_id, received_at_ms) VALUES (?, ?)
