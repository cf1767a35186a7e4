-- Fences a batch. Arguments: base, nonce, expires at.
INSERT INTO fences (base, nonce, expires_at_ms) VALUES (?, ?, ?)
