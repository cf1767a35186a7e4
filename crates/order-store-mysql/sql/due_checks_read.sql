-- These payment attempts, in the order of the argument. Arguments: [[order id, number], …] as JSON. Rows: as
-- attempts_select.sql.
SELECT a.order_id, a.number, a.amount_minor, a.currency, a.state, a.paid_minor, a.paid_currency, a.tries,
       a.opened_at_ms, a.changed_at_ms
FROM JSON_TABLE(?, '$[*]' COLUMNS (
         place FOR ORDINALITY,
         order_id BIGINT UNSIGNED PATH '$[0]' ERROR ON EMPTY ERROR ON ERROR,
         number INT UNSIGNED PATH '$[1]' ERROR ON EMPTY ERROR ON ERROR)) AS asked
     STRAIGHT_JOIN payment_attempts a ON a.order_id = asked.order_id AND a.number = asked.number
ORDER BY asked.place
