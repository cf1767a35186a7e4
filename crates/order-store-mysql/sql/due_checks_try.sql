-- Makes checks that this transaction has locked due at another time, and counts their tries. STRAIGHT_JOIN looks each up
-- by the primary keys: the optimizer would read a small table as a whole.
-- Arguments: [[order id, number], …] as JSON, at. Affected rows: two a check.
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           order_id BIGINT UNSIGNED PATH '$[0]' ERROR ON EMPTY ERROR ON ERROR,
           number INT UNSIGNED PATH '$[1]' ERROR ON EMPTY ERROR ON ERROR)) AS asked
       STRAIGHT_JOIN due_checks d ON d.order_id = asked.order_id AND d.number = asked.number
       STRAIGHT_JOIN payment_attempts a ON a.order_id = d.order_id AND a.number = d.number
SET d.at_ms = ?, a.tries = a.tries + 1
