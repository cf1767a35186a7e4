-- Restores the settled values of an order, if it is as the caller saw it and no transition has moved it: the settled
-- values are those of its first state.
-- Arguments: quantity, state, cancel reason (empty: none); then id, sale id, and as the caller saw it: quantity, state,
-- cancel reason (empty: none). Affected rows: 1, or 0.
UPDATE orders SET quantity = ?, state = ?, cancel_reason = NULLIF(?, '')
WHERE id = ? AND sale_id = ? AND quantity = ? AND state = ? AND COALESCE(cancel_reason, '') = ?
  AND version = 1
