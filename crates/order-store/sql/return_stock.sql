-- Returns the units of an order to its sale. Updates one row by its primary key.
-- Arguments: units, units, sale id. Affected rows: 1, or 0 if the sale does not exist.
UPDATE sales SET saleable = saleable + ?, returned = returned + ?, lock_version = lock_version + 1 WHERE id = ?
