-- created -> preheating; its ledger will be built for the first time.
-- Arguments: updated, sale id. Affected rows: 1, or 0 in any other state.
UPDATE sales SET state = 'preheating', generation = generation + 1, updated_at_ms = ?
WHERE id = ? AND state = 'created'
