-- Restores the settled values of an order, if it is as the caller saw it.
-- Arguments: quantity, state, cancel reason (empty: none); then id, sale id, and as the caller saw it: quantity, state,
-- cancel reason (empty: none). Affected rows: 1, or 0.
UPDATE orders SET quantity = ?, state = ?, cancel_reason = NULLIF(?, '')
WHERE id = ? AND sale_id = ? AND quantity = ? AND state = ? AND COALESCE(cancel_reason, '') = ?
