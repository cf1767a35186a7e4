-- Stores the deadlines of orders that are placed now: one for each batch and time to pay among its sales, unless they
-- have no deadline or cost nothing. Looks up the sales by their primary key and locks none: READ COMMITTED reads the
-- rows of a SELECT as they are.
-- Arguments: now, [[first order id, sale id], …] of confirmed orders as JSON. Affected rows: one a deadline.
INSERT INTO payment_deadlines (at_ms, first_order_id)
SELECT DISTINCT ? + s.pay_within_ms, placed.first_order_id
FROM JSON_TABLE(?, '$[*]' COLUMNS (
         first_order_id BIGINT UNSIGNED PATH '$[0]' ERROR ON EMPTY ERROR ON ERROR,
         sale_id BIGINT UNSIGNED PATH '$[1]' ERROR ON EMPTY ERROR ON ERROR)) AS placed
     STRAIGHT_JOIN sales s ON s.id = placed.sale_id
WHERE s.price_minor > 0 AND s.pay_within_ms > 0
