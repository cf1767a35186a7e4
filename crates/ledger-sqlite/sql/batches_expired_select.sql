-- Settled batches whose retention is over, the longest first. Arguments: now, how many at most.
-- Rows: number, sales.
SELECT number, sales FROM outcomes JOIN batches USING (number)
WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?
