-- Remembers a callback. Arguments: callback id, received. Affected rows: 1, or 0 if it is remembered already.
INSERT OR IGNORE INTO payment_callbacks (callback_id, received_at_ms) VALUES (?, ?)
