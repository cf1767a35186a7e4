-- Takes the reserved units of an order that is shipped. Updates one row by its primary key.
-- Arguments: units, units, sale id, units. Affected rows: 1, or 0 if fewer are left.
UPDATE sales
SET saleable = saleable - ?, reserved = reserved - ?, lock_version = lock_version + 1
WHERE id = ? AND saleable >= ?
