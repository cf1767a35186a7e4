-- Returns the units of an order to its sale, or ends their reservation. Updates one row by its primary key.
-- Arguments: units, units, units, sale id. Affected rows: 1, or 0 if the sale does not exist.
UPDATE sales
SET saleable = saleable + CASE deduct_policy WHEN 'at_order' THEN ? ELSE 0 END,
    reserved = reserved - CASE deduct_policy WHEN 'at_order' THEN 0 ELSE ? END,
    returned = returned + ?,
    lock_version = lock_version + 1
WHERE id = ?
