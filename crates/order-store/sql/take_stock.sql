-- Takes units of one sale: the conditional update that makes overselling impossible. A sale whose units leave at the
-- shipment reserves them.
-- Arguments: units, units, sale id, units. Affected rows: 1, or 0 if fewer are left or the sale does not exist.
UPDATE sales
SET saleable = saleable - CASE deduct_policy WHEN 'at_order' THEN ? ELSE 0 END,
    reserved = reserved + CASE deduct_policy WHEN 'at_order' THEN 0 ELSE ? END,
    lock_version = lock_version + 1
WHERE id = ? AND saleable >= reserved + ?
