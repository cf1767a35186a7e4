-- The orders whose units were returned to the ledger, of every sale. No arguments. Rows: order.
SELECT order_id FROM returns
