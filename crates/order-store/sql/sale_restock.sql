-- Adds units to a sale that is not closed, unless it would have too many. Updates one row by its primary key.
-- Arguments: units, units, updated, sale id, units, maximum units of a sale. Affected rows: 1, or 0.
UPDATE sales
SET saleable = saleable + ?, restocked = restocked + ?, lock_version = lock_version + 1, updated_at_ms = ?
WHERE id = ? AND state <> 'closed' AND initial_stock + restocked + ? <= ?
