-- The attempt is no longer open. Arguments: order id, number. Affected rows: 1, or 0 if it was not.
DELETE FROM due_checks WHERE order_id = ? AND number = ?
