-- A page of the orders of one buyer, newest first, each with its batch and the terms of its sale (see order_select.sql).
-- Arguments: buyer id, greatest order id, maximum rows.
--
-- The unique key of the orders finds those of a buyer in one sale, so every sale is looked up in it. An index by buyer would
-- be quicker, and cost every purchase. STRAIGHT_JOIN and FORCE INDEX, because else ORDER BY and LIMIT, or statistics that are
-- behind, make the optimizer read all orders for a buyer who has few.
SELECT o.id, o.sale_id, o.buyer_id, o.idempotency_key, o.quantity, o.state, o.cancel_reason, o.version,
       o.created_at_ms, b.batch_id, s.price_minor, s.pay_within_ms
FROM (
    SELECT mine.id FROM sales every_sale STRAIGHT_JOIN orders mine FORCE INDEX (orders_sale_buyer_key)
    ON mine.sale_id = every_sale.id
    WHERE mine.buyer_id = ? AND mine.id <= ? ORDER BY mine.id DESC LIMIT ?
) page
JOIN orders o ON o.id = page.id
JOIN batches b ON b.first_order_id = o.id - o.id % 1024
JOIN sales s ON s.id = o.sale_id
ORDER BY o.id DESC
