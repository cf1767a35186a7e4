-- The batch that has these order ids. Arguments: id of its first order. Rows: at most one: batch_id, order_count.
SELECT batch_id, order_count FROM batches WHERE first_order_id = ?
