-- The batches that have any of these order ids, decided by any worker.
-- Arguments: ids of first orders. Rows: first_order_id, batch_id, order_count.
SELECT first_order_id, batch_id, order_count FROM batches WHERE first_order_id IN (/*each*/?/*each*/)
