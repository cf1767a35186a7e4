-- Makes the checks of the open attempts of these orders due at a time, unless they are due earlier (see
-- due_checks_hasten.sql). STRAIGHT_JOIN looks each up by the primary key.
-- Arguments: [id, …] as JSON, at, at. Affected rows: one for each check that was due later.
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$' ERROR ON EMPTY ERROR ON ERROR)) AS asked
       STRAIGHT_JOIN due_checks d ON d.order_id = asked.id
SET d.at_ms = ? WHERE d.at_ms > ?
