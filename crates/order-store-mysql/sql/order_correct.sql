-- Gives an order back what was decided, if it is as it was seen.
-- Arguments: quantity, state, cancel reason (empty: none), updated; then id, sale id, and as it was seen: quantity,
-- state, cancel reason (empty: none). Affected rows: 1, or 0.
UPDATE orders SET quantity = ?, state = ?, cancel_reason = NULLIF(?, ''), updated_at_ms = ?
WHERE id = ? AND sale_id = ? AND quantity = ? AND state = ? AND COALESCE(cancel_reason, '') = ?
