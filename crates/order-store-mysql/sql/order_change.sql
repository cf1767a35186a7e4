-- Moves an order to another state, if it is in the one that the caller names.
-- Arguments: state, reason (or NULL), updated; then id, and as the caller names it: state, reason (or NULL).
-- Affected rows: 1, or 0.
UPDATE orders SET state = ?, cancel_reason = ?, version = version + 1, updated_at_ms = ?
WHERE id = ? AND state = ? AND cancel_reason <=> ?
