-- Makes refunds that this transaction has locked due at another time, and counts their tries (see due_checks_try.sql).
-- Arguments: [[order id, number, refund number], …] as JSON, at. Affected rows: two a refund.
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           order_id BIGINT UNSIGNED PATH '$[0]' ERROR ON EMPTY ERROR ON ERROR,
           number INT UNSIGNED PATH '$[1]' ERROR ON EMPTY ERROR ON ERROR,
           refund_number INT UNSIGNED PATH '$[2]' ERROR ON EMPTY ERROR ON ERROR)) AS asked
       STRAIGHT_JOIN due_refunds d
       ON d.order_id = asked.order_id AND d.number = asked.number AND d.refund_number = asked.refund_number
       STRAIGHT_JOIN refunds r
       ON r.order_id = d.order_id AND r.number = d.number AND r.refund_number = d.refund_number
SET d.at_ms = ?, r.tries = r.tries + 1
