-- A page of sales by ascending id.
-- Arguments: the id before the page, four states (any of them twice), rows at most.
SELECT id, /*draft*/, state, generation, saleable, reserved, restocked, returned
FROM sales WHERE id > ? AND state IN (?, ?, ?, ?) ORDER BY id LIMIT ?
