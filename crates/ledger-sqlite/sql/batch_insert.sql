-- A batch that was deducted. Arguments: number, base, nonce, deducted at, late (0 or 1), sales, intents.
INSERT INTO batches (number, base, nonce, deducted_at_ms, late, sales, intents) VALUES (?, ?, ?, ?, ?, ?, ?)
