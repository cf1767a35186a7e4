-- The orders of a sale. Arguments: sale id. Rows: id, quantity, state, reason of the cancellation.
SELECT id, quantity, state, cancel_reason FROM orders WHERE sale_id = ?
