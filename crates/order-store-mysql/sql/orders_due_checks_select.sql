-- The orders of these with an open payment attempt. Locks nothing, and reads what is committed when it begins: after the
-- orders are locked, no attempt of theirs can be opened. STRAIGHT_JOIN looks each up by the primary key.
-- Arguments: [id, …] as JSON. Rows: order_id.
SELECT DISTINCT d.order_id
FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$' ERROR ON EMPTY ERROR ON ERROR)) AS asked
     STRAIGHT_JOIN due_checks d ON d.order_id = asked.id
