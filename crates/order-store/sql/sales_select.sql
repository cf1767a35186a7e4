-- A page of sales by ascending id.
-- Arguments: the last id of the previous page, four states (repeated to fill), maximum rows.
SELECT id, title, price_minor, currency, opens_at_ms, closes_at_ms, initial_stock, limit_per_buyer,
       quantity_max, deduct_policy, state, generation, saleable, restocked, returned
FROM sales WHERE id > ? AND state IN (?, ?, ?, ?) ORDER BY id LIMIT ?
