-- Settled batches whose retention is over, the earliest expired first. Arguments: now, maximum rows.
-- Rows: number, sales.
SELECT number, sales FROM outcomes JOIN batches USING (number)
WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?
