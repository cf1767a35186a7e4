-- The whole log, in the order in which it was written. No arguments.
-- Rows: number, base, nonce, deducted at, late (0 or 1), sales, intents, states (null: open).
SELECT number, base, nonce, deducted_at_ms, late, sales, intents, states
FROM batches LEFT JOIN outcomes USING (number) ORDER BY number
