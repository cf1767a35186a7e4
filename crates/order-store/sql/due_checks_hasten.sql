-- Makes the checks of an order's open attempts due at a time, unless they are due earlier. Arguments: at; then order id,
-- at. Affected rows: one for each check that was due later.
UPDATE due_checks SET at_ms = ? WHERE order_id = ? AND at_ms > ?
