-- The refund is no longer in progress. Arguments: order id, number of its attempt, its number. Affected rows: 1, or 0 if
-- it was not.
DELETE FROM due_refunds WHERE order_id = ? AND number = ? AND refund_number = ?
