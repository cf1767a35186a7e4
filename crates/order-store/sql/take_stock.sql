-- Takes units of one sale: the conditional update that makes overselling impossible.
-- Arguments: units, sale id, units. Affected rows: 1, or 0 if fewer are left or the sale does not exist.
UPDATE sales SET saleable = saleable - ?, lock_version = lock_version + 1 WHERE id = ? AND saleable >= ?
