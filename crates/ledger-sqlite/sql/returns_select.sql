-- Every order whose units were returned. No arguments. Rows: order.
SELECT order_id FROM returns
