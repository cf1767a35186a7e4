-- Stores the outcome of a batch. Arguments: number, expires at, states.
INSERT INTO outcomes (number, expires_at_ms, states) VALUES (?, ?, ?)
