-- The state of a batch. Arguments: base. Row: number, nonce, deducted at, whether it is settled (0 or 1).
SELECT number, nonce, deducted_at_ms, EXISTS (SELECT 1 FROM outcomes WHERE outcomes.number = batches.number)
FROM batches WHERE base = ?
