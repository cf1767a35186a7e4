-- A preheated sale whose ledger was lost gets its next generation; its ledger will be rebuilt.
-- Arguments: updated, sale id, generation. Affected rows: 1, or 0 in any other state or generation.
UPDATE sales SET generation = generation + 1, updated_at_ms = ?
WHERE id = ? AND state = 'preheated' AND generation = ?
