-- Stores batches as decided. 1062 if one is decided already, or another has its order ids.
-- Arguments of each row: id of the first order, batch id, number of orders, created.
INSERT INTO batches (first_order_id, batch_id, order_count, created_at_ms)
VALUES /*each*/(?, ?, ?, ?)/*each*/
