-- preheating -> preheated: the ledger has the sale.
-- Arguments: updated, sale id, generation. Affected rows: 1, or 0 in any other state or generation.
UPDATE sales SET state = 'preheated', updated_at_ms = ?
WHERE id = ? AND state = 'preheating' AND generation = ?
