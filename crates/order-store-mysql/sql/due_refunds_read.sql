-- These refunds, in the order of the argument. Arguments: [[order id, number, refund number], …] as JSON. Rows: as
-- refunds_select.sql.
SELECT r.order_id, r.number, r.refund_number, r.amount_minor, r.currency, r.cause, r.state, r.tries, r.last_error,
       r.created_at_ms, r.changed_at_ms, r.retry_operator, r.retry_cause
FROM JSON_TABLE(?, '$[*]' COLUMNS (
         place FOR ORDINALITY,
         order_id BIGINT UNSIGNED PATH '$[0]' ERROR ON EMPTY ERROR ON ERROR,
         number INT UNSIGNED PATH '$[1]' ERROR ON EMPTY ERROR ON ERROR,
         refund_number INT UNSIGNED PATH '$[2]' ERROR ON EMPTY ERROR ON ERROR)) AS asked
     STRAIGHT_JOIN refunds r
     ON r.order_id = asked.order_id AND r.number = asked.number AND r.refund_number = asked.refund_number
ORDER BY asked.place
