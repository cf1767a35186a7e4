-- Moves orders that this transaction has locked to another state. STRAIGHT_JOIN looks each up by its primary key: the
-- optimizer would read a small table as a whole.
-- Arguments: [id, …] as JSON, state, reason (or NULL), updated. Affected rows: one an order.
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$' ERROR ON EMPTY ERROR ON ERROR)) AS asked
       STRAIGHT_JOIN orders o ON o.id = asked.id
SET o.state = ?, o.cancel_reason = ?, o.version = o.version + 1, o.updated_at_ms = ?
